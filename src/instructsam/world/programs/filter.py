"""Operation "filter": the objects with an attribute: "red mug", "toy", "thing to drink from"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language.chance import chance, pick
from instructsam.world.language.knowledge import DISPUTED_FAMILY, FUNCTIONS
from instructsam.world.language.lexicon import KIND_NOUNS, Swaps, indefinite, plural_name
from instructsam.world.language.speaker import NounPhrase, Speaker
from instructsam.world.language.synonyms import SIZE_WORDS
from instructsam.world.programs.program import AmbiguousProgramError, Program, Slots
from instructsam.world.scenes.scene import COLORS, FAMILIES, KINDS, PATTERNS, SIZES

if TYPE_CHECKING:
    from instructsam.world.scenes.facts import Facts, ObjectFact

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "family": tuple(FAMILIES),
    "color": tuple(COLORS),
    "size": SIZES,
    "pattern": PATTERNS,
    "function": tuple(FUNCTIONS),
}


def _nouns(many: bool) -> Swaps:
    """The canonical noun of each kind in one number; without those that are the same in both ("fish")."""
    nouns = {kind: names[0] for kind, names in KIND_NOUNS.items()}
    return {kind: (one.many if many else one.one,) for kind, one in nouns.items() if one.one != one.many}


ATTRIBUTE_SWAPS: dict[str, tuple[Swaps, ...]] = {
    "color": ({color: (color,) for color in COLORS},),
    "size": ({size: SIZE_WORDS[size][:2] for size in SIZES},),
    "pattern": ({pattern: (pattern,) for pattern in PATTERNS},),
    "kind": (_nouns(many=False), _nouns(many=True)),
}
ADJECTIVES = ("size", "pattern", "color")
"""Attributes that stand before a noun, in English order."""


@dataclass(frozen=True)
class Filter(Program):
    """The objects of `source` whose `attribute` (a key of `ATTRIBUTES`) is `value`."""

    source: Program
    attribute: str
    value: str

    def problem(self) -> str:
        known = ATTRIBUTES[self.attribute]
        if self.value in known:
            return ""
        return f"a {self.attribute} must be one of {', '.join(known)}, got {self.value!r}"

    def select(self, facts: Facts) -> list[ObjectFact]:
        source = self.source.select(facts)
        if self.attribute == "function":
            kinds, disputed = FUNCTIONS[self.value].kinds, FUNCTIONS[self.value].disputed
        elif self.attribute == "family":
            kinds, disputed = FAMILIES[self.value], DISPUTED_FAMILY.get(self.value, ())
        else:
            return [fact for fact in source if getattr(fact, self.attribute) == self.value]
        if any(fact.kind in disputed for fact in source):
            raise AmbiguousProgramError(f"people do not agree which of these objects are {self.value!r}")
        return [fact for fact in source if fact.kind in kinds]

    def is_trivial(self, facts: Facts, found: tuple[int, ...]) -> bool:
        return self.source.answer(facts) == found

    def phrase(self, many: bool | None = None) -> str:
        words, base = filters_of(self)
        name = words.get("kind") or words.get("family")
        noun = base.phrase(many) if name is None else plural_name(name) if many else name
        if "function" in words:
            noun = {"object": "thing", "objects": "things"}.get(noun, noun)
            noun = f"{noun} {FUNCTIONS[words['function']].tails[0]}"
        return " ".join([*(words[name] for name in ADJECTIVES if name in words), noun])

    def noun_phrase(
        self, speaker: Speaker, many: bool | None = None, *, countable: bool = False, loose: bool = False
    ) -> NounPhrase:
        """As in `Program`; `loose` allows "the red ones"."""
        words, _ = filters_of(self)
        number = self.is_plural(speaker) if many is None else many
        after = pick(speaker.rng, FUNCTIONS[words["function"]].tails) if "function" in words else ""
        noun = speaker.noun(words, loose and not after, countable)
        return NounPhrase(noun, number, "", " ".join(speaker.adjectives(words)), after)

    def modifier(self, speaker: Speaker) -> str:
        words, _ = filters_of(self)
        return " and ".join(speaker.adjectives({self.attribute: words[self.attribute]}))

    def slots(self, speaker: Speaker) -> Slots:
        words, _ = filters_of(self)
        if "function" in words:
            return self._function_slots(speaker, words)
        many = self.is_plural_in_use(speaker)
        slots = self.noun_phrase(speaker, many, loose=True).slots()
        spoken = {name: words[name] for name in ADJECTIVES if name in words}
        if not spoken:
            return slots
        generic = len(spoken) == len(words)
        if len(spoken) >= 2 and not generic and chance(speaker.rng, 0.5):
            del spoken[pick(speaker.rng, tuple(spoken))]
        kept = {name: value for name, value in words.items() if name not in spoken}
        head = NounPhrase(speaker.noun(kept), many, "", " ".join(speaker.adjectives(kept)))
        mod = " and ".join(speaker.adjectives(spoken))
        if mod == spoken.get("color") and chance(speaker.rng, 0.05):
            mod += pick(speaker.rng, (" in colour", " in color"))
        slots |= {"head": head.bare(), "is": head.verb, "mod": mod, "heads": head.bare(many=True)}
        return slots | ({"whatever": mod} if generic else {})

    def _function_slots(self, speaker: Speaker, words: dict[str, str]) -> Slots:
        function = FUNCTIONS[words.pop("function")]
        rng, many = speaker.rng, self.is_plural_in_use(speaker)
        phrase = self.noun_phrase(speaker, many)
        head = NounPhrase(speaker.noun(words), many, "", " ".join(speaker.adjectives(words)))
        slots = phrase.slots() | {"that": pick(rng, function.that), "heads": head.bare(many=True)}
        thing = head.bare() if many else indefinite(head.bare())
        if not many and "kind" not in words and "family" not in words:
            thing = f"something {head.adjectives}".strip()
        slots["thing_to"] = f"{thing} {phrase.after}"
        if not words:
            slots["ask"] = pick(rng, function.ask)
        if function.need:
            slots["need"] = pick(rng, function.need)
        return slots


def filters_of(program: Program) -> tuple[dict[str, str], Program]:
    """Attribute -> value of a chain of filters, and the program that they filter."""
    found: dict[str, str] = {}
    while isinstance(program, Filter):
        found[program.attribute] = program.value
        program = program.source
    return found, program
