"""Plain noun phrases for known objects, as a detector takes them: kind, colour, size and pattern only."""

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

Attributes = dict[str, str]
"""Attributes of one object: name -> value, such as {"kind": "mug", "color": "red"}."""


def covering_phrases(objects: Sequence[Attributes]) -> tuple[str, ...]:
    """The fewest plain noun phrases that cover all objects, each as specific as possible.

    One phrase where they share a kind, a family or a colour ("small red mug", "red object"), else one per family,
    or per kind where no family is known.
    """
    shared = _shared(objects)
    if {"kind", "family", "color"} & shared.keys():
        return (_phrase(shared),)
    groups: dict[str, list[Attributes]] = {}
    for attributes in objects:
        groups.setdefault(attributes.get("family") or attributes.get("kind", "object"), []).append(attributes)
    return tuple(_phrase(_shared(group)) for group in groups.values())


def spoken_phrase(record: Record, group: PhraseRecord) -> str:
    """The phrase that an agent must try before it can answer that nothing matches.

    It is the plain noun that the record's program begins with ("mug" for "mug left of blue car"); without a program,
    the group's phrase.
    """
    stored = record.meta.get("program")
    programs = stored.get("phrases", []) if isinstance(stored, dict) else []
    place = next(number for number, phrase in enumerate(record.phrases) if phrase is group)
    if place >= len(programs):
        return group.text
    try:
        return _plain(from_dict(programs[place])).phrase()
    except InputError:  # the program of a world with other words
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


def _shared(objects: Sequence[Attributes]) -> Attributes:
    first, *others = objects
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _phrase(shared: Mapping[str, str]) -> str:
    """The world's own words where it knows the values, else the kind's own name."""
    kind = shared.get("kind")
    if kind is not None and kind not in FAMILY_OF:
        return kind
    program: Program = All()
    for name in ATTRIBUTES:
        if name in shared and not (name == "family" and kind is not None):
            program = Filter(program, name, shared[name])
    return program.phrase()
