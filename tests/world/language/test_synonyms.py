"""No word has two meanings."""

from __future__ import annotations

from collections import Counter

from instructsam.world.language.synonyms import (
    COLOR_WORDS,
    FAMILY_SYNONYMS,
    KIND_SYNONYMS,
    PATTERN_WORDS,
    PLURALS,
    SIZE_WORDS,
)
from instructsam.world.scenes.scene import COLORS, FAMILIES, KINDS, PATTERNS, SIZES


def test_no_word_has_two_meanings() -> None:
    words = Counter[str]((*KINDS, *FAMILIES, *COLORS))
    for table in (KIND_SYNONYMS, FAMILY_SYNONYMS, COLOR_WORDS, SIZE_WORDS, PATTERN_WORDS):
        words.update(word for synonyms in table.values() for word in synonyms)
    assert [word for word, times in words.items() if times > 1] == []
    assert all(word == word.lower().strip() for word in words)


def test_synonyms_are_of_known_names() -> None:
    assert KIND_SYNONYMS.keys() <= set(KINDS)
    assert FAMILY_SYNONYMS.keys() <= set(FAMILIES)
    assert COLOR_WORDS.keys() <= set(COLORS)
    assert tuple(SIZE_WORDS) == SIZES
    assert tuple(PATTERN_WORDS) == PATTERNS
    assert all(words[0] == name for name, words in (SIZE_WORDS | PATTERN_WORDS).items())


def test_plurals_are_of_known_nouns() -> None:
    nouns = {*KINDS, *FAMILIES}
    for table in (KIND_SYNONYMS, FAMILY_SYNONYMS):
        nouns.update(word for synonyms in table.values() for word in synonyms)
    assert PLURALS.keys() <= nouns
    assert {noun for noun in nouns if " of " in noun} <= PLURALS.keys()
