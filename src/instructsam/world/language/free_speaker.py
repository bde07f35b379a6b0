"""A speaker with the wide lexicon of words/*.yaml, for free instructions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.world.language import lexicon, synonyms, words
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import Noun
from instructsam.world.language.speaker import Speaker

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from instructsam.world.scenes.facts import Facts

CANONICAL_SHARE = 0.25  # of the nouns: the kind's own name
WIDE_ADJECTIVE_SHARE = 0.2  # of the adjectives: any of attributes.yaml
DIGIT_SHARE = 0.35  # of the speakers: "2" and "2nd"
ADJECTIVE_ORDER = ("size", "pattern", "color")
_USUAL: dict[str, dict[str, tuple[str, ...]]] = {
    "size": synonyms.SIZE_WORDS,
    "pattern": synonyms.PATTERN_WORDS,
    "color": {},
}


class FreeSpeaker(Speaker):
    """Chooses among all names of a kind, and among all adjectives of a colour, size or pattern.

    Numbers are all in digits or all in words.

    Args:
        rng: source of every choice.
        facts: the scene.
        renamed: kind -> the noun of another thing that stands in its place, for what the world does not have.
    """

    def __init__(
        self, rng: np.random.Generator, facts: Facts, renamed: Mapping[str, Noun] | None = None
    ) -> None:
        super().__init__(rng, facts)
        self.digits = chance(rng, DIGIT_SHARE)
        self.renamed: Mapping[str, Noun] = renamed or {}
        self._nouns |= self.renamed

    def _new_noun(self, words_of: dict[str, str], key: str, countable: bool) -> Noun:
        options = lexicon.THING_NOUNS
        if "kind" in words_of:
            options = words.kinds()[key].nouns
        elif "family" in words_of:
            options = words.families()[key].nouns
        options = tuple(noun for noun in options if noun.countable or not countable)
        return options[0] if chance(self.rng, CANONICAL_SHARE) else pick(self.rng, options)

    def adjectives(self, words_of: dict[str, str]) -> list[str]:
        return [self._adjective(name, words_of[name]) for name in ADJECTIVE_ORDER if name in words_of]

    def _adjective(self, attribute: str, value: str) -> str:
        if chance(self.rng, WIDE_ADJECTIVE_SHARE):
            return pick(self.rng, words.adjectives()[attribute][value])
        return pick(self.rng, _USUAL[attribute].get(value, (value,)))

    def counted(self, count: int, word: str) -> str:
        return word if count == 1 else f"{self.number(count)} {word}"

    def number(self, count: int) -> str:
        return str(count) if self.digits else lexicon.NUMBERS[count - 1]

    def ordinal(self, nth: int) -> str:
        return (lexicon.ORDINAL_NUMBERS if self.digits else lexicon.ORDINALS)[nth - 1]
