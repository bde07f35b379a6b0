"""The words for every template slot of a program."""

from __future__ import annotations

from instructsam.world import lexicon
from instructsam.world.phrases import filters_of, merged, negates_attribute
from instructsam.world.program import (
    All,
    Both,
    Difference,
    Either,
    Extreme,
    Filter,
    Ordinal,
    Position,
    Program,
    Relate,
    Superlative,
)
from instructsam.world.wording import NounPhrase, Speaker, chance, pick


def slots_for(speaker: Speaker, program: Program) -> dict[str, str]:
    """Slot name -> words; a template that needs another slot does not suit the program."""
    match program:
        case Filter():
            return _attribute_slots(speaker, program)
        case Relate(source) | Position(source):
            return _modified_slots(speaker, program, source)
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
    said = {str(name): words[name] for name in ("size", "color") if name in words}
    if not said:
        return slots
    generic = len(said) == len(words)
    if len(said) == 2 and not generic and chance(speaker.rng, 0.5):
        del said[pick(speaker.rng, ("size", "color"))]
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
    return slots | ({"whatever": mod} if isinstance(source, All) else {})


def _ranked_slots(
    speaker: Speaker, program: Extreme | Superlative | Ordinal, source: Program
) -> dict[str, str]:
    count = 1 if isinstance(program, Ordinal) else program.count
    phrase = speaker.noun_phrase(program)
    head = speaker.noun_phrase(source, count > 1)
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
