"""The parts of a program in words, for the slots of sayings and paraphrases (`language.sayings_table`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from instructsam.world.instructions.suiting import PARAPHRASES, Need, filled, suiting
from instructsam.world.language import words
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.lexicon import Noun, indefinite
from instructsam.world.language.speaker import NounPhrase
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.between import Between
from instructsam.world.programs.both import Both
from instructsam.world.programs.compare import Compare
from instructsam.world.programs.counted import Counted
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.either import Either
from instructsam.world.programs.extreme import Extreme
from instructsam.world.programs.filter import ADJECTIVES, Filter, filters_of
from instructsam.world.programs.modified import Modified
from instructsam.world.programs.nearest import Nearest
from instructsam.world.programs.on_shelf import OnShelf
from instructsam.world.programs.ordinal import Ordinal
from instructsam.world.programs.position import Position
from instructsam.world.programs.relate import Relate
from instructsam.world.programs.same import Same
from instructsam.world.programs.superlative import Superlative

if TYPE_CHECKING:
    from instructsam.world.language.knowledge import Function
    from instructsam.world.language.speaker import Speaker
    from instructsam.world.programs.program import Program, Slots

KEY_ADJECTIVE_SHARE = 0.6  # of the single adjectives: lines for this value, not for any adjective
PARAPHRASED_HEAD_SHARE = 0.6  # of the heads that are modified themselves
DEFINITE = (Nearest, Ordinal, Extreme, Superlative)
"""Operations whose noun phrase is the only one of its sort: "the second mug", never "a second mug"."""


@dataclass(frozen=True)
class Details:
    """A program in words.

    Attributes:
        key: of `sayings_table.KEYS`; "any" where no key suits.
        own_slots: of the key.
        many: whether several objects are meant, in words.
        verb: "is" or "are".
        indefinite: whether "a" and "any" may stand before it.
        needs_count: whether a line must have the slot {count}.
        long_head: whether {head} has words after its noun: "mugs left of the bus".
    """

    key: str
    own_slots: Slots
    many: bool
    verb: str
    indefinite: bool = True
    needs_count: bool = False
    long_head: bool = False

    @cached_property
    def slots(self) -> Slots:
        """The slots of the key, and words that agree in number."""
        return {**self.own_slots, **agreement(self.many, self.verb)}

    def need(self, slots: Slots, found: int) -> Need:
        """Requirements on lines with these slots about so many objects."""
        return Need(
            frozenset(slots),
            one=not self.many and found <= 1,
            several=self.many and found != 1,
            needs_count=self.needs_count,
            long_head=self.long_head,
            ranks=not self.indefinite,
        )

    @cached_property
    def single_slots(self) -> Slots:
        """The same slots for one of several objects."""
        head = {"head": self.own_slots["single"]} if "single" in self.own_slots else {}
        return {**self.own_slots, **head, **agreement(False, "is")}


def details_of(program: Program, speaker: Speaker) -> Details:
    """The key and the words of a program, chosen by the speaker."""
    match program:
        case All():
            return Details("all", {}, True, "are", indefinite=False)
        case Filter():
            return _of_filter(program, speaker)
        case Either():
            return _of_either(program, speaker)
        case Counted():
            return _of_counted(program, speaker)
        case Difference(negated=None):
            return _of_exception(program, speaker)
        case _:
            return _of_modified(program, speaker, _is_many(program, speaker))


def _of_modified(program: Program, speaker: Speaker, many: bool) -> Details:
    """An operation on a head noun."""
    definite = isinstance(program, DEFINITE)
    head = _head(program.head, speaker, many, definite)
    key, slots = _operation(program, speaker)
    return Details(
        key,
        slots | _head_slots(head),
        many,
        head.verb if many else "is",
        indefinite=not definite,
        needs_count="count" in slots,
        long_head=bool(head.after) or program.head.head is not program.head,
    )


def _head(source: Program, speaker: Speaker, many: bool, countable: bool) -> NounPhrase:
    """The noun phrase of the objects to choose from, sometimes in a paraphrase: "mugs | to the left of it"."""
    if isinstance(source, Modified) and chance(speaker.rng, PARAPHRASED_HEAD_SHARE):
        inner = _of_modified(source, speaker, many)
        lines = [
            line for line in suiting(PARAPHRASES, inner.key, inner.need(inner.slots, 2)) if not line.number
        ]
        if lines:
            line = pick(speaker.rng, lines)
            plural = inner.slots | {"head": inner.slots["heads"]} | agreement(True, "are")
            return NounPhrase(Noun(filled(line, inner.single_slots), filled(line, plural)), many)
    return source.noun_phrase(speaker, many, countable=countable)


def _head_slots(head: NounPhrase) -> Slots:
    return {"head": head.bare(), "heads": head.bare(many=True), "single": head.bare(many=False)}


def _is_many(program: Program, speaker: Speaker) -> bool:
    if isinstance(program, Nearest | Ordinal):
        return False
    if isinstance(program, Extreme | Superlative):
        return program.count > 1
    return program.is_plural_in_use(speaker)


def _operation(program: Program, speaker: Speaker) -> tuple[str, Slots]:
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


def _count(count: int, speaker: Speaker) -> Slots:
    return {"count": speaker.number(count)} if count > 1 else {}


def _of_filter(program: Filter, speaker: Speaker) -> Details:
    many = program.is_plural_in_use(speaker)
    found, base = filters_of(program)
    phrase = program.noun_phrase(speaker, many)
    if not isinstance(base, All):
        return Details("any", {}, many, phrase.verb)
    if "function" in found:
        function = words.functions()[found.pop("function")]
        head = NounPhrase(speaker.noun(found), many, "", " ".join(speaker.adjectives(found)))
        return Details("function", _function_slots(speaker, function, found, head), many, head.verb)
    spoken = [name for name in ADJECTIVES if name in found]
    if not spoken:
        kinds = {"kind": phrase.bare(many=False), "kinds": phrase.bare(many=True)}
        return Details("kind", kinds, many, phrase.verb)
    if len(spoken) > 1 and chance(speaker.rng, 0.5):
        spoken.remove(pick(speaker.rng, spoken))
    kept = {name: value for name, value in found.items() if name not in spoken}
    head = NounPhrase(speaker.noun(kept), many, "", " ".join(speaker.adjectives(kept)))
    mod = " and ".join(speaker.adjectives({name: found[name] for name in spoken}))
    key = "attribute"
    if len(spoken) == 1 and chance(speaker.rng, KEY_ADJECTIVE_SHARE):
        key = f"{spoken[0]} {found[spoken[0]]}"
        if spoken == ["color"]:
            key = "color" if words.is_color_name(mod) else "attribute"
    return Details(key, {**_head_slots(head), "mod": mod}, many, head.verb)


def _function_slots(speaker: Speaker, function: Function, found: dict[str, str], head: NounPhrase) -> Slots:
    """Words for a function of objects with the attributes `found`, which `head` names.

    A question, a reason or a relative clause without the head would leave the attributes out.
    """
    rng = speaker.rng
    tail = pick(rng, function.tails)
    thing = head.bare() if head.many else indefinite(head.bare())
    if not head.many and "kind" not in found and "family" not in found:
        thing = f"something {head.adjectives}".strip()
    slots = {
        "thing_to": f"{thing} {tail}",
        "bare": f"{head.bare()} {pick(rng, (tail, pick(rng, function.that)))}",
    }
    if found:
        return slots
    that = pick(rng, function.that)
    slots |= {
        "heads": head.bare(many=True),
        "that": that,
        "that_single": that,
        "ask": pick(rng, function.ask),
    }
    return slots | ({"need": pick(rng, function.need)} if function.need else {})


def described(kind: str, speaker: Speaker, many: bool) -> Details | None:
    """A riddle in place of the name of a kind, with key "function"; None where the kind has none."""
    function = words.kinds()[kind].described
    if function is None:
        return None
    that = pick(speaker.rng, function.that)
    plural, single = (that.format_map(agreement(*number)) for number in ((True, "are"), (False, "is")))
    slots = {"heads": "things", "that": plural, "that_single": single, "ask": pick(speaker.rng, function.ask)}
    slots["bare"] = f"things {plural}" if many else f"thing {single}"
    if function.tails and not many:
        slots["thing_to"] = pick(speaker.rng, function.tails)
    if function.need:
        slots["need"] = pick(speaker.rng, function.need)
    return Details("function", slots, many, "are" if many else "is")


def agreement(many: bool, verb: str) -> Slots:
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


def _of_either(program: Either, speaker: Speaker) -> Details:
    first, second = (
        part.noun_phrase(speaker, part.is_plural(speaker)) for part in (program.first, program.second)
    )
    slots = {"one_of": first.the, "other": second.the}
    if not (first.many or second.many) or chance(speaker.rng, 0.5):
        slots |= {
            "a_one": indefinite(first.bare(many=False)),
            "a_other": indefinite(second.bare(many=False)),
        }
    return Details("either", slots, True, "are", indefinite=False)


def _of_counted(program: Counted, speaker: Speaker) -> Details:
    found = program.slots(speaker)
    slots = {name: found[name] for name in ("count", "heads", "all_count", "the_count")}
    many = program.count > 1
    slots |= {"head": found["heads" if many else "head"], "single": found["head"]}
    return Details("counted", slots, many, found["is"], indefinite=False)


def _of_exception(program: Difference, speaker: Speaker) -> Details:
    kept = program.source.noun_phrase(speaker, True)
    slots = {"kept": kept.the, "removed": program.removed.noun_phrase(speaker).the}
    if isinstance(program.source, All):
        return Details("except", slots | {"kept": "everything"}, True, "is", indefinite=False)
    return Details("except", slots, True, kept.verb, indefinite=False)
