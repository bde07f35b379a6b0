"""Faults of the language's data files beyond their format, as messages for their authors."""

from __future__ import annotations

import re
from collections.abc import Iterator

from instructsam.world.language import words
from instructsam.world.language.lexicon import Noun
from instructsam.world.language.sayings_table import KEYS, load_sayings
from instructsam.world.language.styles import load_styles
from instructsam.world.scenes.scene import COLORS, KINDS, PATTERNS, SIZES

USUAL_COMPOUNDS = frozenset({"house cat", "house key"})
"""Names with another kind in them that nobody takes for two things."""
_MATERIAL = "table"
"""A kind that names what something stands or lies on, as in "table lamp" or "table fork"."""


def language_problems() -> Iterator[str]:
    """One message for each problem of all data files.

    Raises:
        InputError: a file is malformed; the message names file, line and key.
    """
    yield from _style_problems()
    yield from noun_problems(
        {kind: concept.nouns for kind, concept in words.kinds().items()},
        {family: concept.nouns for family, concept in words.families().items()},
        {"absent.yaml": words.absent_nouns(), "mentioned.yaml": words.mentioned_nouns()},
    )
    words.functions()
    words.adjectives()


def language_counts() -> str:
    """How much language there is, in one line."""
    sayings, paraphrases = (
        sum(len(lines) for table in load_sayings(folder).values() for lines in table.values())
        for folder in ("sayings", "paraphrases")
    )
    entries = len(set(words.every_word()))
    return f"{sayings} sayings in {len(load_styles())} styles, {paraphrases} paraphrases, {entries} words and phrases"


def _style_problems() -> Iterator[str]:
    styles, sayings = load_styles(), load_sayings("sayings")
    for name in sorted(styles.keys() - sayings.keys()):
        yield f"styles.yaml, {name}: expected the file sayings/{name}.yaml, got none; write it or leave out the style"
    for name in sorted(sayings.keys() - styles.keys()):
        yield f"sayings/{name}.yaml: expected a line '{name}: {{split: train}}' in styles.yaml, got none"
    for name, table in sayings.items():
        if missing := [key for key in KEYS if not table.get(key)]:
            yield f"sayings/{name}.yaml: expected lines for every key, got none for {', '.join(missing)}"
    for key in KEYS.keys() - {"any", "all", "two", "three", "chatty", "function", "kind", "attribute"}:
        if not any(table.get(key) for table in load_sayings("paraphrases").values()):
            yield f"paraphrases: expected lines for every key of a noun phrase, got none for {key}"


def noun_problems(
    kinds: dict[str, tuple[Noun, ...]],
    families: dict[str, tuple[Noun, ...]],
    absent: dict[str, tuple[Noun, ...]],
) -> Iterator[str]:
    """One message for each name that is ambiguous.

    Args:
        kinds: kind -> its names.
        families: family -> its names.
        absent: file -> its names of things that the world does not have.
    """
    owners: dict[str, str] = {}
    for owner, nouns in (*kinds.items(), *families.items()):
        for form in sorted({form.lower() for noun in nouns for form in (noun.one, noun.many)}):
            if owners.setdefault(form, owner) != owner:
                yield f"words: {form!r} is a name of {owners[form]} and of {owner}; leave it to one of them"
        for noun in nouns:
            yield from _name_problems(noun.one.lower(), owner)
    for file, nouns in absent.items():
        for form in sorted(
            {form.lower() for noun in nouns for form in (noun.one, noun.many)} & owners.keys()
        ):
            yield f"words/{file}: {form!r} is a name of {owners[form]}, which the world has; leave it out"


def _name_problems(name: str, owner: str) -> Iterator[str]:
    if told := sorted(set(name.split()) & {*COLORS, *PATTERNS, *SIZES}):
        yield f"words: {name!r} of {owner} says what it looks like ({', '.join(told)}); choose a name that does not"
    for kind in KINDS:
        inside = kind != owner and re.search(rf"\b{kind}s?\b", name)
        if inside and name not in USUAL_COMPOUNDS and not name.startswith(f"{_MATERIAL} "):
            yield f"words: {name!r} of {owner} also names the kind {kind}; choose another name"
