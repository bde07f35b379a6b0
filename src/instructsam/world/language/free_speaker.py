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
WIDE_ADJECTIVE_SHARE = 0.2


class FreeSpeaker(Speaker):
    """Chooses among all names of a kind, and among all adjectives of a colour, size or pattern.

    Args:
        rng: source of every choice.
        facts: the scene.
        renamed: kind or family -> the noun of another thing that stands in its place, for what the world does not have.
    """

    def __init__(
        self, rng: np.random.Generator, facts: Facts, renamed: Mapping[str, Noun] | None = None
    ) -> None:
        super().__init__(rng, facts)
        self._nouns |= renamed or {}

    def noun(self, words_of: dict[str, str], loose: bool = False, countable: bool = False) -> Noun:
        key = words_of.get("kind") or words_of.get("family") or "object"
        if key not in self._nouns or (countable and not self._nouns[key].countable):
            self._nouns[key] = self._new_noun(words_of, key, countable)
        if loose and key == "object" and words_of and chance(self.rng, 0.35):
            return lexicon.ONE_NOUN
        return self._nouns[key]

    def _new_noun(self, words_of: dict[str, str], key: str, countable: bool) -> Noun:
        if "kind" in words_of:
            options = words.kinds()[key].nouns
        elif "family" in words_of:
            options = words.families()[key].nouns
        else:
            options = lexicon.THING_NOUNS
        options = tuple(noun for noun in options if noun.countable or not countable)
        return options[0] if chance(self.rng, CANONICAL_SHARE) else pick(self.rng, options)

    def adjectives(self, words_of: dict[str, str]) -> list[str]:
        found = []
        for name in ("size", "pattern", "color"):
            if name not in words_of:
                continue
            value = words_of[name]
            wide = words.adjectives()[name][value]
            plain = {"size": synonyms.SIZE_WORDS, "pattern": synonyms.PATTERN_WORDS}.get(name, {}).get(value)
            usual = plain or (value,)
            found.append(pick(self.rng, wide if chance(self.rng, WIDE_ADJECTIVE_SHARE) else usual))
        return found
