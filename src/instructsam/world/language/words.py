"""The wide lexicon: names, riddles and attribute words from words/*.yaml, for free instructions.

- kinds.yaml, families.yaml: names of each kind and family, sorts of it, and descriptions that fit it alone.
- attributes.yaml: adjectives for each colour, size and pattern.
- functions.yaml: more ways to ask for each function of knowledge.yaml.
- absent.yaml: names of real things that the world does not have.
- mentioned.yaml: names of things that sayings mention and that the world does not have.

The page docs/world_language.md explains the format for authors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from instructsam.errors import InputError
from instructsam.world.language.data_files import AGREEING, Line, read_lines
from instructsam.world.language.knowledge import FUNCTIONS, Function
from instructsam.world.language.lexicon import FAMILY_NOUNS, KIND_NOUNS, Noun, plural
from instructsam.world.scenes.scene import COLORS, PATTERNS, SIZES

NAME_FIELDS = ("names", "narrower", "british", "american")
FUNCTION_FIELDS = ("tails", "that", "ask", "need")
VALUES: dict[str, Collection[str]] = {"color": COLORS, "size": SIZES, "pattern": PATTERNS}
"""Attribute -> its values, which attributes.yaml has adjectives for."""
Rows = dict[str, dict[str, tuple[str, ...]]]
"""Key -> field -> its texts."""
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


def rows_of(
    lines: Mapping[tuple[str, ...], tuple[Line, ...]],
    known: Mapping[str, Collection[str]],
    slots: Collection[str] = (),
) -> Rows:
    """The texts of a file with two keys above each list.

    Args:
        lines: from `data_files.parse_lines`.
        known: key -> fields that it may have.
        slots: that a text may have.

    Raises:
        InputError: a key, a field or a slot is unknown.
    """
    rows: Rows = {}
    for (key, field), entries in lines.items():
        place = entries[0].place if entries else f"{key}, {field}"
        if key not in known:
            raise InputError(f"{place}: a key must be one of {', '.join(known)}, got {key!r}")
        if field not in known[key]:
            raise InputError(f"{place}: a field must be one of {', '.join(known[key])}, got {field!r}")
        rows.setdefault(key, {})[field] = tuple(_checked(entry, slots) for entry in entries)
    return rows


def _checked(line: Line, slots: Collection[str]) -> str:
    if unknown := sorted(line.slots() - set(slots)):
        expected = ", ".join(sorted(slots)) or "none"
        raise InputError(f"{line.place}: slots must be some of: {expected}, got {unknown} in {line.text!r}")
    return line.text


def _file(name: str, known: Mapping[str, Collection[str]], slots: Collection[str] = ()) -> Rows:
    return rows_of(read_lines(f"words/{name}.yaml", 2), known, slots)


def _nouns(row: dict[str, tuple[str, ...]], known: tuple[Noun, ...]) -> tuple[Noun, ...]:
    entries = [entry for field in NAME_FIELDS for entry in row.get(field, ())]
    found = {noun.one: noun for noun in (*known, *map(parse_noun, entries))}
    return tuple(found.values())


@cache
def kinds() -> dict[str, Concept]:
    """Kind -> its names and descriptions; the canonical name comes first."""
    fields = (*NAME_FIELDS, "thing_to", "that", "ask", "need")
    rows = _file("kinds", dict.fromkeys(KIND_NOUNS, fields), AGREEING)
    return {kind: _concept(rows.get(kind, {}), kind, nouns) for kind, nouns in KIND_NOUNS.items()}


@cache
def families() -> dict[str, Concept]:
    """Family -> its names."""
    rows = _file("families", dict.fromkeys(FAMILY_NOUNS, NAME_FIELDS))
    return {family: _concept(rows.get(family, {}), "", nouns) for family, nouns in FAMILY_NOUNS.items()}


def _concept(row: dict[str, tuple[str, ...]], kind: str, known: tuple[Noun, ...]) -> Concept:
    described = None
    if kind and row.get("ask"):
        fields = {name: row.get(name, ()) for name in ("that", "ask", "need")}
        described = Function(kinds=(kind,), tails=row.get("thing_to", ()), **fields)
    return Concept(_nouns(row, known), described)


@cache
def functions() -> dict[str, Function]:
    """Function -> all words for it, those of knowledge.yaml included."""
    rows = _file("functions", dict.fromkeys(FUNCTIONS, FUNCTION_FIELDS))
    found = {}
    for name, known in FUNCTIONS.items():
        row = rows.get(name, {})
        more = {field: (*getattr(known, field), *row.get(field, ())) for field in FUNCTION_FIELDS}
        found[name] = Function(kinds=known.kinds, disputed=known.disputed, **more)
    return found


@cache
def adjectives() -> Rows:
    """Attribute -> value -> adjectives."""
    return _file("attributes", VALUES)


def is_color_name(adjective: str) -> bool:
    """Whether it can stand where a name does: "a mug in navy", never "a mug in reddish"."""
    return not _ONLY_ADJECTIVE.search(adjective)


@cache
def absent_nouns() -> tuple[Noun, ...]:
    """Names of real things that no scene shows."""
    return _nouns_of("words/absent.yaml")


@cache
def mentioned_nouns() -> tuple[Noun, ...]:
    """Names of things that sayings mention beside the wish, and that no scene shows."""
    return _nouns_of("words/mentioned.yaml")


def _nouns_of(name: str) -> tuple[Noun, ...]:
    return tuple(parse_noun(_checked(line, ())) for lines in read_lines(name).values() for line in lines)


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
    for noun in (*absent_nouns(), *mentioned_nouns()):
        yield noun.one
        yield noun.many


def _function_texts(function: Function) -> Iterator[str]:
    for field in FUNCTION_FIELDS:
        yield from getattr(function, field)
