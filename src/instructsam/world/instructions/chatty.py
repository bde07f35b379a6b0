"""Family "chatty": a long instruction that also mentions something that is not wanted."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from instructsam.world.language.chance import chance, pick
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.program import Program
from instructsam.world.scenes.scene import FAMILY_OF, KINDS

if TYPE_CHECKING:
    from instructsam.world.language.speaker import Speaker

FAMILIES = ("category", "attribute", "attribute", "spatial", "ordinal", "comparison")
"""The families of the program that is wanted."""
DISTRACTOR_TRIES = 6


def chatty_slots(speaker: Speaker, program: Program, found: tuple[int, ...]) -> dict[str, str]:
    """The wanted words and a {distractor} that shares no word and no object with them; empty if none is found."""
    distractor = choose_distractor(speaker, program, found)
    if distractor is None:
        return {}
    slots = program.noun_phrase(speaker).slots()
    return slots | {"distractor": distractor.noun_phrase(speaker, distractor.is_plural(speaker)).the}


def choose_distractor(speaker: Speaker, program: Program, found: tuple[int, ...]) -> Program | None:
    """A description that shares no word and no object with the program; None if none is found."""
    rng, things = speaker.rng, speaker.facts.seen.objects
    phrase = program.phrase(many=False)
    taken = set(phrase.split())
    taken |= {FAMILY_OF[kind] for kind in KINDS if kind in phrase}
    for _ in range(DISTRACTOR_TRIES):
        kind = pick(rng, things).kind if things and chance(rng, 0.7) else pick(rng, KINDS)
        distractor: Program = Filter(All(), "kind", kind)
        if chance(rng, 0.6):
            distractor = Filter(distractor, "color", pick(rng, things).color if things else "red")
        ignored = distractor.answer(speaker.facts)
        words = {*distractor.phrase().split(), FAMILY_OF[kind]}
        if ignored is None or set(ignored) & set(found) or words & taken:
            continue
        if _without(program, distractor).answer(speaker.facts) != found:
            continue  # "ignore the mugs" could change which object is the second one from the left
        return distractor
    return None


def _without(program: Program, distractor: Program) -> Program:
    """The program on a scene in which the distractor does not count."""
    if not any(field.name == "source" for field in fields(program)):
        return program
    rest: dict[str, Any] = {"source": Difference(program.head, distractor)}
    return replace(program, **rest)
