"""Free instructions: composed programs, said in the sayings, paraphrases and words of the language's data files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from instructsam.world.instructions.chatty import choose_distractor
from instructsam.world.instructions.choosing import MAX_TARGETS, Answered, choose, is_worthwhile
from instructsam.world.instructions.details import (
    DESCRIBED_SHARE,
    Details,
    agreement,
    described_slots,
    details_of,
)
from instructsam.world.instructions.families import FAMILY_SHARES
from instructsam.world.instructions.groups import GROUPS, choose_groups
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.instructions.negatives import values_away
from instructsam.world.language import words
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.free_speaker import FreeSpeaker
from instructsam.world.language.lexicon import Noun, indefinite, plural_name
from instructsam.world.language.sayings_table import ONE, SEVERAL, Saying, load_sayings
from instructsam.world.language.styles import StyleSplit, load_styles
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.operation import Subject
from instructsam.world.programs.operations import propose
from instructsam.world.programs.proposer import Proposer

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.programs.program import Program
    from instructsam.world.scenes.facts import Facts

KEY_SHARE = 0.6  # of the texts: a saying of the program's own key, not one for any noun phrase
PARAPHRASE_SHARE = 0.6  # of the whole noun phrases
COMPOSED_SHARE = 0.3  # of the programs: a second condition on what the first one denotes
NOTHING: Mapping[str, Noun] = MappingProxyType({})
ALL_SHARE = 0.02
TRIES = 40
_FREE_FAMILIES = {name: share for name, share in FAMILY_SHARES.items() if name != "chatty"}
_CHATTY_SHARE = FAMILY_SHARES["chatty"]


@dataclass(frozen=True)
class FreeSettings:
    """How free instructions are drawn.

    Attributes:
        split: whose styles are used.
        negatives: instructions without target for each one with targets.
        look_alikes: share of those without target that differ in one value from one with targets.
        absent_words: share of those without target that name a real thing that the world does not have.
    """

    split: StyleSplit = "train"
    negatives: float = 0.25
    look_alikes: float = 0.4
    absent_words: float = 0.25


def free_instructions(
    facts: Facts, rng: np.random.Generator, count: int, settings: FreeSettings = FreeSettings()
) -> list[Instruction]:
    """Up to `count` free instructions about a scene, with different texts, deterministic in `rng`."""
    found: dict[str, Instruction] = {}
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        made = _instruction(facts, rng, settings)
        if made is not None:
            found.setdefault(made.text, made)
    return list(found.values())


def _instruction(facts: Facts, rng: np.random.Generator, settings: FreeSettings) -> Instruction | None:
    positive = chance(rng, 1 / (1 + settings.negatives))
    family = _family(rng)
    if not positive:
        choice = rng.random()
        if choice < settings.absent_words:
            return _absent(facts, rng, settings)
        if choice < settings.absent_words + settings.look_alikes:
            return _look_alike(facts, rng, family, settings)
    wanted = "none" if not positive else "one" if chance(rng, 0.45) else "many"
    if family == "multi":
        groups = choose_groups(rng, facts, wanted)
        return _said_groups(facts, rng, groups, settings) if groups else None
    if positive and chance(rng, ALL_SHARE):
        everything = All().answer(facts)
        if everything and len(everything) <= MAX_TARGETS:
            return _said(facts, rng, (All(), everything), "category", settings)
    chosen = choose(rng, facts, family, wanted)
    if chosen is None:
        return None
    if chance(rng, COMPOSED_SHARE):
        chosen = _composed(facts, rng, chosen, wanted) or chosen
    return _said(facts, rng, chosen, family, settings)


def _family(rng: np.random.Generator) -> str:
    names, shares = list(_FREE_FAMILIES), list(_FREE_FAMILIES.values())
    return names[int(rng.choice(len(names), p=[share / sum(shares) for share in shares]))]


def _composed(
    facts: Facts, rng: np.random.Generator, chosen: Answered, wanted: str
) -> Answered | None:
    """A second operation over the objects of a program that has a head noun: "the largest of the mugs on the shelf"."""
    program, found = chosen
    thing = next((fact for fact in facts.seen.objects if fact.index in found), None)
    if thing is None or not _has_noun_phrase(program, facts, rng):
        return None
    draw = Proposer(rng, facts)
    for _ in range(4):
        made = propose(pick(rng, ("spatial", "ordinal", "comparison")), draw, Subject(thing, thing, program), False)
        answer = made.answer(facts) if made is not None else None
        if made is None or answer is None or (wanted == "none") == bool(answer):
            continue
        if is_worthwhile(made, facts, answer, rng) and answer != found:
            return made, answer
    return None


def _has_noun_phrase(program: Program, facts: Facts, rng: np.random.Generator) -> bool:
    try:
        program.noun_phrase(FreeSpeaker(rng, facts), True)
    except TypeError:
        return False
    return True


def _look_alike(
    facts: Facts, rng: np.random.Generator, family: str, settings: FreeSettings
) -> Instruction | None:
    """Nothing is meant, and one value away something would be."""
    if family == "multi":
        family = "attribute"
    chosen = choose(rng, facts, family, "one")
    options = list(values_away(chosen[0], facts)) if chosen and chosen[1] else []
    if not options:
        return None
    return _said(facts, rng, (pick(rng, options), ()), family, settings)


def _absent(facts: Facts, rng: np.random.Generator, settings: FreeSettings) -> Instruction | None:
    """About a real thing that the world does not have, alone or as the head of a description."""
    draw = Proposer(rng, facts)
    if not draw.things:
        return None
    noun = pick(rng, words.absent_nouns())
    kind = draw.missing("kind")
    program: Program = Filter(All(), "kind", kind)
    thing = draw.thing()
    if chance(rng, 0.3):
        program = Filter(program, "color", thing.color)
    elif chance(rng, 0.35):
        program = propose("spatial", draw, Subject(thing, thing, program), False) or program
    made = _said(facts, rng, (program, ()), "category", settings, {kind: noun})
    if made is None or noun.one not in made.phrases[0].text:
        return None
    return Instruction(made.text, made.phrases, made.family, made.template, {})


def _said(
    facts: Facts,
    rng: np.random.Generator,
    chosen: Answered,
    family: str,
    settings: FreeSettings,
    renamed: Mapping[str, Noun] = NOTHING,
) -> Instruction | None:
    """The program in words, or None where no saying of the style suits it."""
    program, found = chosen
    speaker = FreeSpeaker(rng, facts, renamed)
    style = _style(rng, settings.split)
    details = details_of(program, speaker)
    if details.key == "kind" and not renamed and chance(rng, DESCRIBED_SHARE):
        details = _described(program, speaker, details) or details
    slots = {**details.slots, **agreement(details.many, details.verb)}
    if details.key not in ("all", "function") or (details.key == "function" and "ask" not in slots):
        slots |= whole_slots(program, speaker, details)
    elif details.key == "function" and family == "knowledge":
        slots |= whole_slots(program, speaker, details)
    table = load_sayings("sayings")[style]
    keys = [details.key, "any"]
    if "the" in slots and chance(rng, _CHATTY_SHARE):
        distractor = choose_distractor(speaker, program, found)
        if distractor:
            ignored = distractor.noun_phrase(speaker, distractor.is_plural(speaker)).the
            keys, slots = ["chatty"], slots | {"distractor": ignored}
    elif not chance(rng, KEY_SHARE):
        keys.reverse()
    saying = next((one for key in keys for one in _suiting(rng, table.get(key, ()), slots, details, len(found))), None)
    if saying is None:
        return None
    text = load_styles()[style].typed(rng, " ".join(saying.text.format_map(slots).split()))
    phrase = _renamed_phrase(program.phrase(), renamed)
    return Instruction(
        text=text,
        phrases=(PhraseAnswer(phrase, found),),
        family="chatty" if keys == ["chatty"] else family,
        template=f"{style}: {saying.text}",
        program={"phrases": [program.to_dict()]},
    )


def _renamed_phrase(phrase: str, renamed: Mapping[str, Noun]) -> str:
    for kind, noun in renamed.items():
        many = plural_name(kind)
        if many != kind and many in phrase:
            phrase = phrase.replace(many, noun.many, 1)
        else:
            phrase = phrase.replace(kind, noun.one, 1)
    return phrase


def _described(program: Program, speaker: FreeSpeaker, details: Details) -> Details | None:
    """A riddle in place of a kind's name."""
    if not isinstance(program, Filter) or program.attribute != "kind":
        return None
    slots = described_slots(program.value, speaker, details.many)
    return Details("function", slots, details.many, details.verb) if slots else None


def _style(rng: np.random.Generator, split: StyleSplit) -> str:
    styles = {name: style for name, style in load_styles().items() if style.split == split}
    shares = [style.share for style in styles.values()]
    return list(styles)[int(rng.choice(len(shares), p=[share / sum(shares) for share in shares]))]


def _suiting(
    rng: np.random.Generator, sayings: tuple[Saying, ...], slots: dict[str, str], details: Details, found: int
) -> Iterator[Saying]:
    """One of the sayings that suit the words and the number of objects; none where there is none."""
    fitting = [
        one
        for one in sayings
        if one.slots <= slots.keys()
        and one.number != (SEVERAL if not details.many or found == 1 else ONE)
        and (one.number != ONE or found <= 1)
        and (not details.needs_count or one.is_whole or "count" in one.slots)
    ]
    if fitting:
        yield pick(rng, fitting)


def whole_slots(program: Program, speaker: FreeSpeaker, details: Details) -> dict[str, str]:
    """{the}, {bare}, and where English has them {a}, {each}, {several}, in a paraphrase or in the program's own words."""
    rng, many = speaker.rng, details.many
    sayings = [one for table in load_sayings("paraphrases").values() for one in table.get(details.key, ())]
    own = {**details.slots, **agreement(many, details.verb)}
    chosen = next(iter(_suiting(rng, tuple(sayings), own, details, 2 if many else 1)), None)
    if chosen is not None and chance(rng, PARAPHRASE_SHARE):
        bare = " ".join(chosen.text.format_map(own).split())
        if details.key in ("either", "except"):
            return {"the": bare, "bare": bare.removeprefix("the ")}
        return _with_articles(bare, details)
    if details.key == "either":
        bare = f"{own['one_of']} {pick(rng, ('and', 'and', 'or'))} {own['other']}"
        return {"the": bare, "bare": bare.removeprefix("the ")}
    if details.key == "except":
        bare = f"{own['kept']} {pick(rng, ('except', 'but not', 'apart from'))} {own['removed']}"
        return {"the": bare, "bare": bare.removeprefix("the ")}
    if details.key == "counted":
        return {"the": own["the_count"], "bare": f"{own['count']} {own['heads' if many else 'head']}"}
    if details.key == "function":
        bare = f"{own['heads']} {own['that']}" if many else own["thing_to"]
        return {"the": f"the {bare}" if many else bare, "bare": bare}
    return _with_articles(program.noun_phrase(speaker, many).bare(), details)


def _with_articles(bare: str, details: Details) -> dict[str, str]:
    slots = {"the": f"the {bare}", "bare": bare}
    if details.indefinite:
        slots["a"] = f"any {bare}" if details.many else indefinite(bare)
        if details.many and details.verb == "are":
            slots["several"] = bare
    return slots


def _said_groups(
    facts: Facts, rng: np.random.Generator, groups: list[Answered], settings: FreeSettings
) -> Instruction | None:
    """Two or three groups in one text."""
    speaker = FreeSpeaker(rng, facts)
    style = _style(rng, settings.split)
    slots = {}
    for name, (program, _) in zip(GROUPS, groups, strict=False):
        slots[name] = whole_slots(program, speaker, details_of(program, speaker))["the"]
    key = {2: "two", 3: "three"}[len(groups)]
    sayings = load_sayings("sayings")[style].get(key, ())
    if not sayings:
        return None
    saying = pick(rng, sayings)
    return Instruction(
        text=load_styles()[style].typed(rng, saying.text.format_map(slots)),
        phrases=tuple(PhraseAnswer(program.phrase(), found) for program, found in groups),
        family="multi",
        template=f"{style}: {saying.text}",
        program={"phrases": [program.to_dict() for program, _ in groups]},
    )
