"""Programs in people's words: noun phrases with articles, number and synonyms, for a template's slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from instructsam.world.language import lexicon, synonyms
from instructsam.world.language.lexicon import Noun
from instructsam.world.language.phrases import filters_of, negates_attribute
from instructsam.world.programs.execute import answer
from instructsam.world.programs.knowledge import FUNCTIONS
from instructsam.world.programs.program import (
    All,
    Between,
    Both,
    Compare,
    Counted,
    Difference,
    Either,
    Extreme,
    Filter,
    Nearest,
    OnShelf,
    Ordinal,
    Position,
    Program,
    Relate,
    Same,
    Superlative,
)

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.programs.facts import Facts

T = TypeVar("T")
OTHER_COLOR_SHARE = 0.08  # "scarlet" for "red"


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
        self.facts = facts
        self._nouns: dict[str, Noun] = {}

    def many(self, program: Program) -> bool:
        """Plural for several objects; for none either, and now and then for one ("find any mugs")."""
        count = len(answer(program, self.facts) or ())
        return count > 1 or (count == 0 and chance(self.rng, 0.5))

    def noun(self, words: dict[str, str], loose: bool = False, countable: bool = False) -> Noun:
        """The noun of a filter chain; `loose` allows "one", which leans on its adjectives.

        `countable` asks for a noun that a number can stand before.
        """
        key = words.get("kind") or words.get("family") or "object"
        if key not in self._nouns or (countable and not self._nouns[key].countable):
            if "kind" in words:
                options = lexicon.KIND_NOUNS[key]
                options = (options[0],) * (2 if len(options) > 1 else 1) + options
            else:
                options = lexicon.FAMILY_NOUNS[key] if "family" in words else lexicon.THING_NOUNS
            if countable:
                options = tuple(noun for noun in options if noun.countable)
            self._nouns[key] = pick(self.rng, options)
        if loose and key == "object" and len(words) and chance(self.rng, 0.35):
            return lexicon.ONE_NOUN
        return self._nouns[key]

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

    def noun_phrase(
        self, program: Program, many: bool | None = None, loose: bool = False, countable: bool = False
    ) -> NounPhrase:
        """The program as one noun phrase: any program but Either and "except"."""
        rng = self.rng
        match program:
            case All() | Filter():
                words, _ = filters_of(program)
                number = self.many(program) if many is None else many
                after = pick(rng, FUNCTIONS[words["function"]].tails) if "function" in words else ""
                noun = self.noun(words, loose and not after, countable)
                return NounPhrase(noun, number, "", " ".join(self.adjectives(words)), after)
            case Extreme() | Superlative() | Ordinal() | Counted() | Nearest():
                return self._singled_out(program)
            case Difference(source) if negates_attribute(program):
                number = self.many(program) if many is None else many
                return replace(self.noun_phrase(source, number), after="that {is} " + self.modifier(program))
            case Either() | Difference():
                raise TypeError(f"no noun phrase for {type(program).__name__}")
            case _:
                number = self.many(program) if many is None else many
                inner = self.noun_phrase(head_of(program), number)
                bare = ("",) * 3 if isinstance(program, Relate | Position | Between | OnShelf) else ()
                linking = pick(rng, (*bare, "that {is} ", "which {is} "))
                return replace(inner, after=f"{inner.after} {linking}{self.modifier(program)}".strip())

    def _singled_out(self, program: Extreme | Superlative | Ordinal | Counted | Nearest) -> NounPhrase:
        """Those that a rank, a number or nearness picks from their like; their words admit no other number."""
        rng = self.rng
        match program:
            case Extreme(source, side, count):
                inner = self.noun_phrase(source, count > 1, countable=True)
                if chance(rng, 0.25) and not inner.after:
                    before = lexicon.NUMBERS[count - 1] if count > 1 else ""
                    after = pick(rng, lexicon.SIDE_FURTHEST[side])
                    return replace(inner, before=before, after=after, definite=True)
                return replace(inner, before=self.counted(count, pick(rng, lexicon.SIDE_MOST[side])))
            case Superlative(source, extreme, count):
                inner = self.noun_phrase(source, count > 1, countable=True)
                return replace(inner, before=self.counted(count, pick(rng, lexicon.EXTREME_WORDS[extreme])))
            case Ordinal(source, side, nth):
                inner = self.noun_phrase(source, False, countable=True)
                return replace(inner, before=self.ordinal(nth), after=f"from the {side}")
            case Counted(source, count):
                inner = self.noun_phrase(source, count > 1, countable=True)
                return replace(inner, before=self.number(count))
            case Nearest(source):
                inner = self.noun_phrase(source, False, countable=True)
                linking = pick(rng, ("", "", "that {is} "))
                return replace(inner, after=linking + self.modifier(program), definite=True)

    def counted(self, count: int, word: str) -> str:
        """The word with its number: "largest", "two largest"."""
        return word if count == 1 else f"{lexicon.NUMBERS[count - 1]} {word}"

    def number(self, count: int) -> str:
        """The number in words, now and then in figures."""
        return str(count) if chance(self.rng, 0.2) else lexicon.NUMBERS[count - 1]

    def ordinal(self, nth: int) -> str:
        """The rank in words, now and then in figures: "second", "2nd"."""
        words = lexicon.ORDINAL_NUMBERS if chance(self.rng, 0.15) else lexicon.ORDINALS
        return words[nth - 1]

    def _the_one(self, program: Program) -> str:
        """The single thing that others are compared with."""
        return self.noun_phrase(program, False).the

    def modifier(self, program: Program) -> str:
        """What a program says of its source: "left of the bus", "in the top half", "not red"."""
        rng = self.rng
        match program:
            case Relate(_, relation, anchor):
                return f"{pick(rng, lexicon.RELATION_WORDS[relation])} {self._the_one(anchor)}"
            case Position(_, side):
                part = pick(rng, lexicon.SIDE_HALF[side])
                return f"{'on' if part.endswith('side') else 'in'} the {part}{self._of_the_picture(0.6)}"
            case Between(_, first, second):
                return f"between {self._the_one(first)} and {self._the_one(second)}"
            case OnShelf(_, shelf):
                return f"on the {pick(rng, lexicon.SHELF_WORDS[shelf])}"
            case Nearest(_, anchor):
                return f"{pick(rng, lexicon.NEAREST_WORDS)} {self._the_one(anchor)}"
            case Same(_, same, anchor):
                return f"{pick(rng, lexicon.SAME_WORDS[same])} {self._the_one(anchor)}"
            case Compare(_, comparison, anchor):
                return f"{pick(rng, lexicon.COMPARE_WORDS[comparison])} {self._the_one(anchor)}"
            case Filter():
                said, _ = filters_of(program)
                return " and ".join(self.adjectives({program.attribute: said[program.attribute]}))
            case Difference(_, removed):
                return f"not {self.modifier(removed)}"
            case Both(first, second):
                both = "both " if chance(rng, 0.5) else ""
                return f"{both}{self.modifier(first)} and {self.modifier(second)}"
        raise TypeError(f"no modifier for {type(program).__name__}")

    def _of_the_picture(self, share: float) -> str:
        word = pick(self.rng, lexicon.PICTURE_WORDS)
        return f" of the {word}" if chance(self.rng, share) else ""


def head_of(program: Program) -> Program:
    """What a modifier modifies: the source; of "and", the source of its first part."""
    if isinstance(program, Both):
        program = program.first
    head: Program = getattr(program, "source", program)
    return head
