"""The words for every template slot of a program."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from instructsam.world.language import lexicon
from instructsam.world.language.phrases import ADJECTIVES, filters_of, merged, negates_attribute, phrase_of
from instructsam.world.language.wording import NounPhrase, Speaker, chance, pick
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
from instructsam.world.scenes.scene import FAMILY_OF, KINDS

DISTRACTOR_TRIES = 6


def slots_for(speaker: Speaker, program: Program) -> dict[str, str]:
    """Slot name -> words; a template that needs another slot does not suit the program."""
    match program:
        case Filter():
            if "function" in filters_of(program)[0]:
                return _knowledge_slots(speaker, program)
            return _attribute_slots(speaker, program)
        case Relate(source) | Position(source) | Between(source) | OnShelf(source):
            return _modified_slots(speaker, program, source)
        case Same(source) | Compare(source):
            return _modified_slots(speaker, program, source)
        case Nearest(source):
            return _nearest_slots(speaker, program, source)
        case Counted():
            return _counted_slots(speaker, program)
        case Extreme(source) | Superlative(source) | Ordinal(source):
            return _ranked_slots(speaker, program, source)
        case Either():
            return _either_slots(speaker, program)
        case Both():
            return _both_slots(speaker, program)
        case Difference():
            return _difference_slots(speaker, program)
        case All():
            return {}


def _number(speaker: Speaker, program: Program) -> bool:
    """Plural or not; a single target is now and then asked for in the plural, as people do."""
    return speaker.many(program) or chance(speaker.rng, 0.12)


def _attribute_slots(speaker: Speaker, program: Filter) -> dict[str, str]:
    words, _ = filters_of(program)
    many = _number(speaker, program)
    slots = speaker.noun_phrase(program, many, loose=True).slots()
    said = {name: words[name] for name in ADJECTIVES if name in words}
    if not said:
        return slots
    generic = len(said) == len(words)
    if len(said) >= 2 and not generic and chance(speaker.rng, 0.5):
        del said[pick(speaker.rng, tuple(said))]
    kept = {name: value for name, value in words.items() if name not in said}
    head = NounPhrase(speaker.noun(kept), many, "", " ".join(speaker.adjectives(kept)))
    mod = " and ".join(speaker.adjectives(said))
    if mod == said.get("color") and chance(speaker.rng, 0.05):
        mod += pick(speaker.rng, (" in colour", " in color"))
    slots |= {"head": head.bare(), "is": head.verb, "mod": mod, "heads": head.bare(many=True)}
    return slots | ({"whatever": mod} if generic else {})


def _modified_slots(speaker: Speaker, program: Program, source: Program) -> dict[str, str]:
    many = _number(speaker, program)
    phrase = speaker.noun_phrase(program, many)
    head = speaker.noun_phrase(source, many)
    mod = speaker.modifier(program)
    slots = {**phrase.slots(), "head": head.bare(), "mod": mod, "heads": head.bare(many=True)}
    slots["is"] = head.verb
    return slots | ({"whatever": mod} if isinstance(source, All) else {})


def _nearest_slots(speaker: Speaker, program: Nearest, source: Program) -> dict[str, str]:
    phrase = speaker.noun_phrase(program)
    head = speaker.noun_phrase(source, False, countable=True)
    slots = {**phrase.slots(), "head": head.bare(), "mod": speaker.modifier(program)}
    slots["heads"] = head.bare(many=True)
    return slots


def _knowledge_slots(speaker: Speaker, program: Filter) -> dict[str, str]:
    words, _ = filters_of(program)
    function = FUNCTIONS[words.pop("function")]
    rng, many = speaker.rng, _number(speaker, program)
    phrase = speaker.noun_phrase(program, many)
    head = NounPhrase(speaker.noun(words), many, "", " ".join(speaker.adjectives(words)))
    slots = phrase.slots() | {"that": pick(rng, function.that), "heads": head.bare(many=True)}
    slots["thing_to"] = (
        f"{head.bare()} {phrase.after}" if many else f"{lexicon.indefinite(head.bare())} {phrase.after}"
    )
    if "kind" not in words and "family" not in words:
        something = " ".join(word for word in ("something", head.adjectives, phrase.after) if word)
        if not many:
            slots["thing_to"] = something
    if not words:
        slots["ask"] = pick(rng, function.ask)
    if function.need:
        slots["need"] = pick(rng, function.need)
    return slots


def _counted_slots(speaker: Speaker, program: Counted) -> dict[str, str]:
    count = program.count
    head = speaker.noun_phrase(program.source, count > 1, countable=True)
    number = speaker.number(count)
    if count == 1:
        every = f"the only {head.bare()}"
    elif count == 2:
        every = pick(speaker.rng, ("both {}", "both of the {}", "both the {}")).format(head.bare())
    else:
        every = pick(speaker.rng, ("all {n} {}", "all {n} of the {}"))
        every = every.format(head.bare(), n=number)
    the_count = f"the {number if count > 1 else 'one'} {head.bare()}"
    return {
        "count": number,
        "head": head.bare(many=False),
        "heads": head.bare(many=True),
        "is": head.verb,
        "them": head.them,
        "the": the_count,
        "the_count": the_count,
        "all_count": every,
    }


def _ranked_slots(
    speaker: Speaker, program: Extreme | Superlative | Ordinal, source: Program
) -> dict[str, str]:
    count = 1 if isinstance(program, Ordinal) else program.count
    phrase = speaker.noun_phrase(program)
    head = speaker.noun_phrase(source, count > 1, countable=True)
    slots = {**phrase.slots(), "head": head.bare(), "heads": head.bare(many=True), "is": head.verb}
    for name in ("a", "each", "several"):
        slots.pop(name, None)
    match program:
        case Ordinal(_, side, nth):
            place = speaker.ordinal(nth)
            slots |= {"side": side, "nth": place, "rank": f"{place} from the {side}"}
            slots["one"] = f"the {place} one from the {side}"
        case Extreme(_, side):
            most = speaker.counted(count, pick(speaker.rng, lexicon.SIDE_MOST[side]))
            furthest = pick(speaker.rng, lexicon.SIDE_FURTHEST[side])
            slots["rank"] = furthest if count == 1 else f"the {most}"
            slots["one"] = f"the {most} one" if count == 1 else f"the {most}"
        case Superlative(_, extreme):
            most = speaker.counted(count, pick(speaker.rng, lexicon.EXTREME_WORDS[extreme]))
            slots["rank"] = f"the {most}"
            slots["one"] = f"the {most} one" if count == 1 else f"the {most}"
    if count == 1:
        slots["rank_one"] = slots["rank"]
    return slots


def _either_slots(speaker: Speaker, program: Either) -> dict[str, str]:
    first = speaker.noun_phrase(program.first, speaker.many(program.first))
    second = speaker.noun_phrase(program.second, speaker.many(program.second))
    joint = pick(speaker.rng, ("and", "and", "or"))
    slots = {
        "the": f"{first.the} {joint} {second.the}",
        "bare": f"{first.bare()} {joint} {second.bare()}",
        "is": "are" if joint == "and" else first.verb,
        "them": "them",
    }
    if first.noun == second.noun and first.adjectives != second.adjectives and chance(speaker.rng, 0.6):
        words = f"{first.adjectives} {joint} {second.adjectives} {first.noun.many}"
        slots |= {"the": f"the {words}", "bare": words, "is": "is" if first.noun.takes_is else "are"}
    ones = [lexicon.indefinite(phrase.bare(many=False)) for phrase in (first, second)]
    slots["either"] = f"{ones[0]} or {ones[1]}"
    if not (first.noun.takes_is or second.noun.takes_is):
        slots["eithers"] = f"{first.bare(many=True)} or {second.bare(many=True)}"
    return slots


def _both_slots(speaker: Speaker, program: Both) -> dict[str, str]:
    chain = merged(program)
    source = getattr(program.first, "source", program.first)
    if chain is None:
        return _modified_slots(speaker, program, source)
    many = _number(speaker, program)
    head = speaker.noun_phrase(source, many)
    mod = speaker.modifier(program)
    slots = {"head": head.bare(), "is": head.verb, "them": head.them, "mod": mod}
    slots["heads"] = head.bare(many=True)
    return slots | ({"whatever": mod} if isinstance(source, All) else {})


def _difference_slots(speaker: Speaker, program: Difference) -> dict[str, str]:
    source, removed = program.source, program.removed
    if negates_attribute(program) and chance(speaker.rng, 0.6):
        return _modified_slots(speaker, program, source)
    kept = speaker.noun_phrase(source, True)
    gone = speaker.noun_phrase(removed)
    short = gone
    if gone.noun == kept.noun and gone.adjectives + gone.before:
        noun = lexicon.ONE_NOUN if gone.many or not gone.before[:1].isdigit() else gone.noun
        adjectives = gone.adjectives.removeprefix(kept.adjectives).strip()
        short = NounPhrase(noun, gone.many, gone.before, adjectives, gone.after)
    link = pick(speaker.rng, ("except", "except for", "but not", "other than", "apart from"))
    slots = {
        "the": f"{kept.the} {link} {short.the}",
        "bare": f"{kept.bare()} {link} {short.the}",
        "is": kept.verb,
        "them": kept.them,
        "kept": kept.the,
        "removed": short.the,
    }
    if kept.noun in (gone.noun, *lexicon.THING_NOUNS):
        slots |= {"removed_full": gone.the, "others": f"the other {kept.bare()}"}
    if isinstance(source, All):
        word = pick(speaker.rng, ("except", "but", "except for", "other than", "apart from"))
        slots |= {"exception": f"{word} {gone.the}"}
        slots["the"] = f"all {slots['the']}"
        slots |= {"kept": "everything", "removed": gone.the}
    return slots


def chatty_slots(speaker: Speaker, program: Program, found: tuple[int, ...]) -> dict[str, str]:
    """The request's words and a {distractor} that shares no word and no object with it; empty if none is found."""
    rng, things = speaker.rng, speaker.facts.seen.objects
    taken = set(phrase_of(program).split())
    taken |= {FAMILY_OF[kind] for kind in KINDS if kind in phrase_of(program)}
    for _ in range(DISTRACTOR_TRIES):
        kind = pick(rng, things).kind if things and chance(rng, 0.7) else pick(rng, KINDS)
        distractor: Program = Filter(All(), "kind", kind)
        if chance(rng, 0.6):
            distractor = Filter(distractor, "color", pick(rng, things).color if things else "red")
        ignored = answer(distractor, speaker.facts)
        words = {*phrase_of(distractor).split(), FAMILY_OF[kind]}
        if ignored is None or set(ignored) & set(found) or words & taken:
            continue
        if answer(_without(program, distractor), speaker.facts) != found:
            continue  # "ignore the mugs": is the second thing the second one without the mugs?
        slots = speaker.noun_phrase(program).slots()
        return slots | {"distractor": speaker.noun_phrase(distractor, speaker.many(distractor)).the}
    return {}


def _without(program: Program, distractor: Program) -> Program:
    """The program on a scene in which the distractor does not count."""
    if isinstance(program, All | Either | Both):
        return program
    rest: dict[str, Any] = {"source": Difference(program.source, distractor)}
    return replace(program, **rest)
