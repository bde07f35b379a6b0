"""Programs in people's words: noun phrases with articles, number and synonyms, for a template's slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from instructsam.world import lexicon
from instructsam.world.lexicon import Noun
from instructsam.world.phrases import filters_of, negates_attribute
from instructsam.world.program import (
    All,
    Both,
    Difference,
    Extreme,
    Filter,
    Ordinal,
    Position,
    Program,
    Relate,
    Superlative,
    execute,
)

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.facts import Facts

T = TypeVar("T")


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, uniformly."""
    return options[int(rng.integers(len(options)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


@dataclass(frozen=True)
class NounPhrase:
    """An article-less "two largest | small red | mugs | left of the bus"; `after` may hold {is}.

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
        return "are" if self.many and not self.noun.takes_is else "is"

    @property
    def them(self) -> str:
        return "them" if self.verb == "are" else "it"

    def bare(self, many: bool | None = None) -> str:
        """The phrase without an article, in its own number unless another is asked for."""
        number = self if many is None else replace(self, many=many)
        noun = self.noun.many if number.many else self.noun.one
        words = (self.before, self.adjectives, noun, self.after.replace("{is}", number.verb))
        return " ".join(word for word in words if word)

    @property
    def the(self) -> str:
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
    """Finds the words for one instruction: a synonym, once chosen, is kept."""

    def __init__(self, rng: np.random.Generator, facts: Facts) -> None:
        self.rng = rng
        self.facts = facts.seen
        self._nouns: dict[str, Noun] = {}

    def many(self, program: Program) -> bool:
        """Plural for several objects; for none either, and now and then for one ("find any mugs")."""
        count = len(execute(program, self.facts))
        return count > 1 or (count == 0 and chance(self.rng, 0.5))

    def noun(self, words: dict[str, str], loose: bool = False) -> Noun:
        """The noun of a filter chain; `loose` allows "one", which leans on its adjectives."""
        key = words.get("kind") or words.get("family") or "object"
        if key not in self._nouns:
            if "kind" in words:
                options = lexicon.KIND_NOUNS[key]
                options = (options[0],) * (2 if len(options) > 1 else 1) + options
            else:
                options = lexicon.FAMILY_NOUNS[key] if "family" in words else lexicon.THING_NOUNS
            self._nouns[key] = pick(self.rng, options)
        if loose and key == "object" and len(words) and chance(self.rng, 0.35):
            return lexicon.ONE_NOUN
        return self._nouns[key]

    def adjectives(self, words: dict[str, str]) -> list[str]:
        """Size and colour in English order."""
        found = []
        if "size" in words:
            found.append(pick(self.rng, lexicon.SIZE_WORDS[words["size"]]))
        if "color" in words:
            suffix = pick(self.rng, ("-coloured", "-colored")) if chance(self.rng, 0.04) else ""
            found.append(words["color"] + suffix)
        return found

    def noun_phrase(self, program: Program, many: bool | None = None, loose: bool = False) -> NounPhrase:
        """The program as one noun phrase: any program but Either and "except"."""
        rng = self.rng
        match program:
            case All() | Filter():
                words, _ = filters_of(program)
                number = self.many(program) if many is None else many
                return NounPhrase(self.noun(words, loose), number, "", " ".join(self.adjectives(words)))
            case Relate(source) | Position(source) | Both(source):
                if isinstance(program, Both):
                    source = getattr(program.first, "source", program.first)
                number = self.many(program) if many is None else many
                inner = self.noun_phrase(source, number)
                linking = pick(rng, ("", "", "", "that {is} ", "which {is} "))
                if isinstance(program, Both) and not linking:
                    linking = "that {is} "
                return replace(inner, after=linking + self.modifier(program))
            case Extreme(source, side, count):
                inner = self.noun_phrase(source, count > 1)
                if chance(rng, 0.25) and not inner.after:
                    before = lexicon.NUMBERS[count - 1] if count > 1 else ""
                    after = pick(rng, lexicon.SIDE_FURTHEST[side])
                    return replace(inner, before=before, after=after, definite=True)
                return replace(inner, before=self.counted(count, pick(rng, lexicon.SIDE_MOST[side])))
            case Superlative(source, extreme, count):
                inner = self.noun_phrase(source, count > 1)
                return replace(inner, before=self.counted(count, pick(rng, lexicon.EXTREME_WORDS[extreme])))
            case Ordinal(source, side, nth):
                inner = self.noun_phrase(source, False)
                return replace(inner, before=self.ordinal(nth), after=f"from the {side}")
            case Difference(source) if negates_attribute(program):
                number = self.many(program) if many is None else many
                return replace(self.noun_phrase(source, number), after="that {is} " + self.modifier(program))
        raise TypeError(f"no noun phrase for {type(program).__name__}")

    def counted(self, count: int, word: str) -> str:
        """The word with its number: "largest", "two largest"."""
        return word if count == 1 else f"{lexicon.NUMBERS[count - 1]} {word}"

    def ordinal(self, nth: int) -> str:
        """The rank in words, now and then in figures: "second", "2nd"."""
        words = lexicon.ORDINAL_NUMBERS if chance(self.rng, 0.15) else lexicon.ORDINALS
        return words[nth - 1]

    def modifier(self, program: Program) -> str:
        """What a program says of its source: "left of the bus", "in the top half", "not red"."""
        match program:
            case Relate(_, relation, anchor):
                words = pick(self.rng, lexicon.RELATION_WORDS[relation])
                return f"{words} {self.noun_phrase(anchor, False).the}"
            case Position(_, side):
                word = pick(self.rng, lexicon.PICTURE_WORDS)
                picture = f" of the {word}" if chance(self.rng, 0.6) else ""
                part = pick(self.rng, lexicon.SIDE_HALF[side])
                return f"{'on' if part.endswith('side') else 'in'} the {part}{picture}"
            case Filter():
                said, _ = filters_of(program)
                return " and ".join(self.adjectives({program.attribute: said[program.attribute]}))
            case Difference(_, removed):
                return f"not {self.modifier(removed)}"
            case Both(first, second):
                both = "both " if chance(self.rng, 0.5) else ""
                return f"{both}{self.modifier(first)} and {self.modifier(second)}"
        raise TypeError(f"no modifier for {type(program).__name__}")
