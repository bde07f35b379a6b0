"""Noun phrases with articles, number and synonyms, for a template's slots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instructsam.world.language import lexicon, synonyms
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import Noun

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.scenes.facts import Facts

OTHER_COLOR_SHARE = 0.08  # "scarlet" for "red"


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase without article: "two largest | small red | mugs | left of the bus"; `after` may hold {is}.

    `definite` marks one with no words before its noun and yet no {a} or {each}: "mug furthest left".
    """

    noun: Noun
    many: bool
    before: str = ""
    adjectives: str = ""
    after: str = ""
    definite: bool = False

    @property
    def verb(self) -> str:
        """The verb: "is" or "are"."""
        return "are" if self.many and not self.noun.takes_is else "is"

    @property
    def them(self) -> str:
        """The pronoun."""
        return "them" if self.verb == "are" else "it"

    def bare(self, many: bool | None = None) -> str:
        """The phrase without an article, in its own number or in the given one."""
        number = self if many is None else replace(self, many=many)
        noun = self.noun.many if number.many else self.noun.one
        words = (self.before, self.adjectives, noun, self.after.replace("{is}", number.verb))
        return " ".join(word for word in words if word)

    @property
    def the(self) -> str:
        """The phrase with its definite article."""
        return f"the {self.bare()}"

    def slots(self) -> dict[str, str]:
        """Words for templates; {a} and {each} only where English has them."""
        slots = {"the": self.the, "bare": self.bare(), "is": self.verb, "them": self.them}
        if not self.before and not self.definite:
            slots["a"] = f"any {self.bare()}" if self.many else lexicon.indefinite(self.bare())
            if self.many and not self.noun.takes_is:
                slots["each"] = self.bare(many=False)
                slots["several"] = self.bare()
        return slots


class Speaker:
    """Chooses the words of one instruction: a synonym, once chosen, is kept."""

    def __init__(self, rng: np.random.Generator, facts: Facts) -> None:
        self.rng = rng
        self.facts = facts
        self._nouns: dict[str, Noun] = {}

    def noun(self, words: dict[str, str], loose: bool = False, countable: bool = False) -> Noun:
        """The noun for these attributes.

        Args:
            words: attribute -> value.
            loose: allow "one", which leans on its adjectives.
            countable: only a noun that a number can stand before.
        """
        key = words.get("kind") or words.get("family") or "object"
        if key not in self._nouns or (countable and not self._nouns[key].countable):
            self._nouns[key] = self._new_noun(words, key, countable)
        if loose and key == "object" and len(words) and chance(self.rng, 0.35):
            return lexicon.ONE_NOUN
        return self._nouns[key]

    def _new_noun(self, words: dict[str, str], key: str, countable: bool) -> Noun:
        """A noun for a kind, a family or "object" (`key`) that has none yet."""
        if "kind" in words:
            options = lexicon.KIND_NOUNS[key]
            options = (options[0],) * (2 if len(options) > 1 else 1) + options
        else:
            options = lexicon.FAMILY_NOUNS[key] if "family" in words else lexicon.THING_NOUNS
        if countable:
            options = tuple(noun for noun in options if noun.countable)
        return pick(self.rng, options)

    def adjectives(self, words: dict[str, str]) -> list[str]:
        """Size, pattern and colour in English order."""
        found = []
        if "size" in words:
            found.append(pick(self.rng, synonyms.SIZE_WORDS[words["size"]]))
        if "pattern" in words:
            found.append(pick(self.rng, synonyms.PATTERN_WORDS[words["pattern"]]))
        if "color" in words:
            suffix = pick(self.rng, ("-coloured", "-colored")) if chance(self.rng, 0.04) else ""
            others = synonyms.COLOR_WORDS.get(words["color"], ())
            color = (
                pick(self.rng, others) if others and chance(self.rng, OTHER_COLOR_SHARE) else words["color"]
            )
            found.append(color + suffix)
        return found

    def counted(self, count: int, word: str) -> str:
        """The word with its number: "largest", "two largest"."""
        return word if count == 1 else f"{lexicon.NUMBERS[count - 1]} {word}"

    def number(self, count: int) -> str:
        """The number in words, or sometimes in digits."""
        return str(count) if chance(self.rng, 0.2) else lexicon.NUMBERS[count - 1]

    def ordinal(self, nth: int) -> str:
        """The rank in words, or sometimes in digits: "second", "2nd"."""
        words = lexicon.ORDINAL_NUMBERS if chance(self.rng, 0.15) else lexicon.ORDINALS
        return words[nth - 1]
