"""Several instructions in one row of a table, as the data engine exports them.

Each is {id, instruction, kind, phrases: [{text, objects}]}; `objects` are positions in the row's objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from instructsam.data.formats.labelled import LabelledObject, targets
from instructsam.data.formats.outlines import Code, mask_of
from instructsam.data.formats.source import Node, Tally
from instructsam.data.record import ImageRef, Record

_CROWDS = "crowds"
_FIELDS = {"id", "instruction", "phrases"}


def has_listed_instructions(features: Any, column: str) -> bool:
    """Whether a column is a list of instructions with phrases, and not of texts."""
    item = getattr(features.get(column), "feature", None)
    return isinstance(item, dict) and set(item) >= _FIELDS


def listed_records(
    values: Node, column: str, image: ImageRef, objects: Sequence[LabelledObject], tally: Tally
) -> Iterator[Record]:
    """The records of a row; those whose answer is not known are counted.

    Args:
        values: the row; its column `crowds` has regions that records with targets ignore, and `licence` the licence of
            the image.
        column: of the instructions.
    """
    licence = values.get("licence")
    meta = {} if licence is None else {"engine": {"licence": str(licence.value)}}
    crowds = _crowds(values.get(_CROWDS), image, tally)
    for node in values[column].items():
        phrases = [
            targets(
                phrase["text"].text(), [_object(place, objects) for place in phrase["objects"].items()], tally
            )
            for phrase in node["phrases"].items()
        ]
        known = tuple(phrase for phrase in phrases if phrase is not None)
        kind = node.get("kind")
        if len(known) == len(phrases):
            family = "" if kind is None else str(kind.value)
            is_target = any(phrase.instances for phrase in known)
            text = node["instruction"].text()
            yield Record(
                node["id"].name(), image, text, known, family, meta, crowds=crowds if is_target else ()
            )


def _crowds(listed: Node | None, image: ImageRef, tally: Tally) -> tuple[Code, ...]:
    codes = [] if listed is None else [mask_of(node, image, tally) for node in listed.items()]
    return tuple(code for code in codes if code is not None)


def _object(place: Node, objects: Sequence[LabelledObject]) -> LabelledObject:
    number = place.whole()
    if not 0 <= number < len(objects):
        raise place.wrong(f"the position of one of {len(objects)} objects, from 0")
    return objects[number]
