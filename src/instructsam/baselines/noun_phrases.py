"""The plain noun phrases with which a detector can be asked for known things: kind, colour, size, pattern, no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instructsam.data.record import PhraseRecord, Record
from instructsam.errors import InputError
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.both import Both
from instructsam.world.programs.either import Either
from instructsam.world.programs.filter import ATTRIBUTES, Filter
from instructsam.world.programs.operations import from_dict
from instructsam.world.programs.program import Program
from instructsam.world.scenes.scene import FAMILY_OF

Looks = dict[str, str]
"""What can be said of one thing: attribute -> value, such as {"kind": "mug", "color": "red"}."""


def covering_phrases(things: Sequence[Looks]) -> tuple[str, ...]:
    """The fewest plain noun phrases that cover all the things, each as specific as it can be.

    One phrase where they share a kind, a family or a colour ("small red mug", "red object"), else one per family,
    or per kind where no family is known.
    """
    shared = _shared(things)
    if {"kind", "family", "color"} & shared.keys():
        return (_phrase(shared),)
    groups: dict[str, list[Looks]] = {}
    for thing in things:
        groups.setdefault(thing.get("family") or thing.get("kind", "object"), []).append(thing)
    return tuple(_phrase(_shared(group)) for group in groups.values())


def spoken_phrase(record: Record, group: PhraseRecord) -> str:
    """What an agent would have to look for before it can say that nothing matches.

    The plain noun that the record's program begins with ("mug" for "mug left of blue car"); without a program, the
    group's phrase.
    """
    stored = record.meta.get("program")
    programs = stored.get("phrases", []) if isinstance(stored, dict) else []
    place = next(number for number, one in enumerate(record.phrases) if one is group)
    if place >= len(programs):
        return group.text
    try:
        return _plain(from_dict(programs[place])).phrase()
    except InputError:  # of a world with other words
        return group.text


def _plain(program: Program) -> Program:
    """The innermost filters on the way to all objects, first operands first."""
    chain: list[Program] = []
    while not isinstance(program, All):
        chain.append(program)
        program = program.first if isinstance(program, (Either, Both)) else program.head
    kept: Program = All()
    for step in reversed(chain):
        if isinstance(step, Filter):
            kept = Filter(kept, step.attribute, step.value)
    return kept


def _shared(things: Sequence[Looks]) -> Looks:
    first, *others = things
    return {name: value for name, value in first.items() if all(one.get(name) == value for one in others)}


def _phrase(shared: Mapping[str, str]) -> str:
    """The world's own words where it knows the values, else the kind as it is called."""
    kind = shared.get("kind")
    if kind is not None and kind not in FAMILY_OF:
        return kind
    program: Program = All()
    for name in ATTRIBUTES:
        if name in shared and not (name == "family" and kind is not None):
            program = Filter(program, name, shared[name])
    return program.phrase()
