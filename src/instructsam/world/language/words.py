"""The wide lexicon: names, riddles and attribute words from words/*.yaml, for free instructions.

- kinds.yaml, families.yaml: names of each kind and family, sorts of it, and descriptions that fit it alone.
- attributes.yaml: adjectives for each colour, size and pattern.
- functions.yaml: more ways to ask for each function of knowledge.yaml.
- absent.yaml: names of real things that the world does not have.

The page docs/world_language.md explains the format for authors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from instructsam.world.language.knowledge import FUNCTIONS, Function
from instructsam.world.language.lexicon import FAMILY_NOUNS, KIND_NOUNS, Noun, plural

NAME_FIELDS = ("names", "narrower", "british", "american")
_ONLY_ADJECTIVE = re.compile(r"(ish|coloured|colored|(?<![bv])y)$")
"""Endings of adjectives that are no name of a color: "reddish", "orangey", but "ruby" and "navy"."""


@dataclass(frozen=True)
class Concept:
    """A kind or family in people's words.

    Attributes:
        nouns: everything that it is called.
        described: descriptions that fit it alone, as the words of a function; None without.
    """

    nouns: tuple[Noun, ...]
    described: Function | None


def parse_noun(entry: str) -> Noun:
    """A noun from "mug", or from "knife/knives" with its plural."""
    one, _, many = str(entry).partition("/")
    return Noun(one, many or plural(one))


@cache
def _file(name: str) -> Any:
    text = resources.files("instructsam.world.language").joinpath(f"words/{name}.yaml").read_text("utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _texts(row: Mapping[str, Any], field: str) -> tuple[str, ...]:
    return tuple(str(text) for text in row.get(field) or ())


def _nouns(row: Mapping[str, Any], known: tuple[Noun, ...]) -> tuple[Noun, ...]:
    entries = [entry for field in NAME_FIELDS for entry in _texts(row, field)]
    found = {noun.one: noun for noun in (*known, *map(parse_noun, entries))}
    return tuple(found.values())


@cache
def kinds() -> dict[str, Concept]:
    """Kind -> its names and descriptions; the canonical name comes first."""
    return {kind: _concept(_file("kinds").get(kind, {}), kind, nouns) for kind, nouns in KIND_NOUNS.items()}


@cache
def families() -> dict[str, Concept]:
    """Family -> its names."""
    rows = _file("families")
    return {family: _concept(rows.get(family, {}), "", nouns) for family, nouns in FAMILY_NOUNS.items()}


def _concept(row: Mapping[str, Any], kind: str, known: tuple[Noun, ...]) -> Concept:
    described = None
    if kind and row.get("ask"):
        fields = {name: _texts(row, name) for name in ("that", "ask", "need")}
        described = Function(kinds=(kind,), tails=_texts(row, "thing_to"), **fields)
    return Concept(_nouns(row, known), described)


@cache
def functions() -> dict[str, Function]:
    """Function -> all words for it, those of knowledge.yaml included."""
    rows = _file("functions")
    found = {}
    for name, known in FUNCTIONS.items():
        row = rows.get(name, {})
        more = {field: (*getattr(known, field), *_texts(row, field)) for field in ("tails", "that", "ask", "need")}
        found[name] = Function(kinds=known.kinds, disputed=known.disputed, **more)
    return found


@cache
def adjectives() -> dict[str, dict[str, tuple[str, ...]]]:
    """Attribute -> value -> adjectives, without the value itself."""
    rows = _file("attributes")
    return {name: {value: tuple(map(str, words)) for value, words in row.items()} for name, row in rows.items()}


def is_color_name(adjective: str) -> bool:
    """Whether it can stand where a name does: "a mug in navy", never "a mug in reddish"."""
    return not _ONLY_ADJECTIVE.search(adjective)


@cache
def absent_nouns() -> tuple[Noun, ...]:
    """Names of real things that no scene shows."""
    return tuple(parse_noun(entry) for entries in _file("absent").values() for entry in entries)


def every_word() -> Iterator[str]:
    """All entries of the wide lexicon as they are written, with repetitions."""
    for concept in (*kinds().values(), *families().values()):
        for noun in concept.nouns:
            yield noun.one
            yield noun.many
        if concept.described:
            yield from _function_texts(concept.described)
    for function in functions().values():
        yield from _function_texts(function)
    for row in adjectives().values():
        for value, words in row.items():
            yield from (value, *words)
    for noun in absent_nouns():
        yield noun.one
        yield noun.many


def _function_texts(function: Function) -> Iterator[str]:
    for field in ("tails", "that", "ask", "need"):
        yield from getattr(function, field)
