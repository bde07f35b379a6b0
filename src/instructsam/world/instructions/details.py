"""The parts of a program in words, for the slots of sayings and paraphrases (`language.sayings_table`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.language import words
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import indefinite
from instructsam.world.language.speaker import NounPhrase
from instructsam.world.programs.between import Between
from instructsam.world.programs.both import Both
from instructsam.world.programs.compare import Compare
from instructsam.world.programs.counted import Counted
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.either import Either
from instructsam.world.programs.extreme import Extreme
from instructsam.world.programs.filter import ADJECTIVES, Filter, filters_of
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.nearest import Nearest
from instructsam.world.programs.on_shelf import OnShelf
from instructsam.world.programs.ordinal import Ordinal
from instructsam.world.programs.position import Position
from instructsam.world.programs.relate import Relate
from instructsam.world.programs.same import Same
from instructsam.world.programs.superlative import Superlative

if TYPE_CHECKING:
    from instructsam.world.language.speaker import Speaker
    from instructsam.world.programs.program import Program

DESCRIBED_SHARE = 0.35  # of the plain kinds: a riddle in place of the name
_DEFINITE = (Nearest, Ordinal, Extreme, Superlative)
"""Operations whose noun phrase is the only one of its sort: "the second mug", never "a second mug"."""


@dataclass(frozen=True)
class Details:
    """A program in words.

    Attributes:
        key: of `sayings_table.KEYS`; "any" where no key suits.
        slots: of the key.
        many: whether several objects are meant, in words.
        verb: "is" or "are".
        indefinite: whether "a" and "any" may stand before it.
        needs_count: whether a line must have the slot {count}.
    """

    key: str
    slots: dict[str, str]
    many: bool
    verb: str
    indefinite: bool = True
    needs_count: bool = False


def details_of(program: Program, speaker: Speaker) -> Details:
    """The key and the words of a program, chosen by the speaker."""
    many = _is_many(program, speaker)
    verb = "are" if many else "is"
    if isinstance(program, Filter):
        return _of_filter(program, speaker, many)
    if isinstance(program, Either):
        return _of_either(program, speaker)
    if isinstance(program, Difference) and not program.negated:
        kept = program.source.noun_phrase(speaker, True)
        everything = isinstance(program.source, All)
        slots = {"kept": "everything" if everything else kept.the, "removed": program.removed.noun_phrase(speaker).the}
        return Details("except", slots, True, kept.verb, indefinite=False)
    if isinstance(program, Counted):
        return _of_counted(program, speaker)
    if isinstance(program, All):
        return Details("all", {}, True, "are", indefinite=False)
    head = program.head.noun_phrase(speaker, many, countable=isinstance(program, _DEFINITE))
    key, slots = _operation(program, speaker)
    slots |= {"head": head.bare(), "heads": head.bare(many=True), "single": head.bare(many=False)}
    return Details(
        key,
        slots,
        many,
        head.verb if many else verb,
        indefinite=not isinstance(program, _DEFINITE),
        needs_count="count" in slots,
    )


def _is_many(program: Program, speaker: Speaker) -> bool:
    if isinstance(program, Nearest | Ordinal):
        return False
    if isinstance(program, Extreme | Superlative):
        return program.count > 1
    return program.is_plural_in_use(speaker)


def _operation(program: Program, speaker: Speaker) -> tuple[str, dict[str, str]]:
    """The key of an operation that modifies a head, and its slots without the head."""
    match program:
        case Relate():
            return f"relate {program.relation}", {"anchor": program.anchor.the_one(speaker)}
        case Nearest():
            return "nearest", {"anchor": program.anchor.the_one(speaker)}
        case Between():
            anchors = {"anchor": program.first.the_one(speaker), "other": program.second.the_one(speaker)}
            return "between", anchors
        case OnShelf():
            return f"on_shelf {program.shelf}", {}
        case Position():
            return f"position {program.side}", {}
        case Ordinal():
            return f"ordinal {program.side}", {"nth": speaker.ordinal(program.nth)}
        case Extreme():
            return f"extreme {program.side}", _count(program.count, speaker)
        case Superlative():
            slots = _count(program.count, speaker)
            if program.count == 1 and len(program.source.members(speaker.facts)) == 2:
                slots["pair"] = f"two {program.source.noun_phrase(speaker, True, countable=True).bare()}"
            return f"superlative {program.extreme}", slots
        case Compare():
            return f"compare {program.comparison}", {"anchor": program.anchor.the_one(speaker)}
        case Same():
            return f"same {program.same}", {"anchor": program.anchor.the_one(speaker)}
        case Difference(removed=removed):
            return "not", {"mod": removed.modifier(speaker)}
        case Both():
            mods = [program.first.modifier(speaker), program.second.modifier(speaker)]
            if isinstance(program.first, Filter) and chance(speaker.rng, 0.5):
                mods.reverse()
            return "both", {"mod": mods[0], "mod2": mods[1]}
        case _:
            return "any", {}


def _count(count: int, speaker: Speaker) -> dict[str, str]:
    return {"count": speaker.number(count)} if count > 1 else {}


def _of_filter(program: Filter, speaker: Speaker, many: bool) -> Details:
    found, base = filters_of(program)
    phrase = program.noun_phrase(speaker, many)
    if not isinstance(base, All):
        return Details("any", {}, many, phrase.verb)
    if "function" in found:
        slots = function_slots(program, speaker, many)
        return Details("function", slots, many, phrase.verb)
    adjectives = {name: found[name] for name in ADJECTIVES if name in found}
    if not adjectives:
        return Details("kind", {"kind": phrase.bare(many=False), "kinds": phrase.bare(many=True)}, many, phrase.verb)
    spoken = dict(adjectives)
    if len(spoken) > 1 and chance(speaker.rng, 0.5):
        del spoken[pick(speaker.rng, tuple(spoken))]
    kept = {name: value for name, value in found.items() if name not in spoken}
    head = NounPhrase(speaker.noun(kept), many, "", " ".join(speaker.adjectives(kept)))
    slots = {
        "head": head.bare(),
        "heads": head.bare(many=True),
        "single": head.bare(many=False),
        "mod": " and ".join(speaker.adjectives(spoken)),
    }
    key = "attribute"
    if len(spoken) == 1 and chance(speaker.rng, 0.6):
        ((name, value),) = spoken.items()
        key = "color" if name == "color" else f"{name} {value}"
    return Details(key, slots, many, head.verb)


def function_slots(program: Filter, speaker: Speaker, many: bool) -> dict[str, str]:
    """{ask}, {need}, {thing_to}, {that} and {heads} of a function, possibly of a colour or a family."""
    found, _ = filters_of(program)
    function = words.functions()[found.pop("function")]
    head = NounPhrase(speaker.noun(found), many, "", " ".join(speaker.adjectives(found)))
    slots = {"that": pick(speaker.rng, function.that), "heads": head.bare(many=True)}
    thing = head.bare() if many else indefinite(head.bare())
    if not many and "kind" not in found and "family" not in found:
        thing = f"something {head.adjectives}".strip()
    slots["thing_to"] = f"{thing} {pick(speaker.rng, function.tails)}"
    if not found:
        slots["ask"] = pick(speaker.rng, function.ask)
    if function.need:
        slots["need"] = pick(speaker.rng, function.need)
    return slots


def described_slots(kind: str, speaker: Speaker, many: bool) -> dict[str, str]:
    """The slots of key "function" for a riddle about one kind."""
    described = words.kinds()[kind].described
    if described is None:
        return {}
    slots = {
        "that": _agreeing(pick(speaker.rng, described.that), True),
        "heads": "things",
        "ask": pick(speaker.rng, described.ask),
    }
    if described.tails:
        slots["thing_to"] = pick(speaker.rng, described.tails)
    if described.need:
        slots["need"] = pick(speaker.rng, described.need)
    return slots


def agreement(many: bool, verb: str) -> dict[str, str]:
    """Words that agree with the noun phrase in number."""
    are = verb == "are"
    return {
        "is": verb,
        "was": "were" if are else "was",
        "has": "have" if are else "has",
        "does": "do" if are else "does",
        "s": "" if are else "s",
        "es": "" if are else "es",
        "them": "them" if are else "it",
        "one": "ones" if many else "one",
        "this": "these" if are else "this",
    }


def _agreeing(text: str, many: bool) -> str:
    return text.format_map(agreement(many, "are" if many else "is"))


def _of_either(program: Either, speaker: Speaker) -> Details:
    first, second = (
        one.noun_phrase(speaker, one.is_plural(speaker)) for one in (program.first, program.second)
    )
    slots = {"one_of": first.the, "other": second.the}
    if first.many is False and second.many is False or chance(speaker.rng, 0.5):
        slots |= {"a_one": indefinite(first.bare(many=False)), "a_other": indefinite(second.bare(many=False))}
    return Details("either", slots, True, "are", indefinite=False)


def _of_counted(program: Counted, speaker: Speaker) -> Details:
    slots = program.slots(speaker)
    kept = {name: slots[name] for name in ("count", "head", "heads", "all_count", "the_count")}
    kept["single"] = kept["head"]
    if program.count > 1:
        kept["head"] = kept["heads"]
    return Details("counted", kept, program.count > 1, slots["is"], indefinite=False)


