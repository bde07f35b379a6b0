"""One annotation of Label Studio as the decision of a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from instructsam.data.record import InstanceRecord
from instructsam.data.regions import region_code
from instructsam.engine.review.decisions import (
    ACTIONS,
    AddedObject,
    CorrectedMask,
    HumanDecision,
    changed_phrases,
    decision_to_dict,
    parse_decision,
)
from instructsam.engine.review.label_studio_tasks import NOT_MEANT, phrase_label, shown_numbers
from instructsam.engine.review.queue import ReviewItem
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.exports.label_studio_rle import decode_brush
from instructsam.structures.checks import describe, is_number
from instructsam.structures.masks import encode_rle
from instructsam.structures.rle_masks import RleMasks

SAME_OBJECT = 0.5  # least IoU of a region without a note and its object
SAME_MASK = 0.99  # least IoU of an object and its region that is taken as unchanged

_SHAPES = ("brushlabels", "rectanglelabels", "keypointlabels")
_NUMBER = re.compile(r"object[ -](\d{1,6})")


class RowRegions:
    """The objects of a row, for the overlap with regions."""

    def __init__(self, row: ImageRow) -> None:
        self.row = row
        self.size = (row.image.height, row.image.width)
        self.masks = RleMasks.load(
            [region_code(thing, row.image) for thing in row.instances], self.size, row.id
        )

    def overlaps(self, code: Mapping[str, Any]) -> list[float]:
        """IoU of a region with each object."""
        found: list[float] = self.masks.iou(RleMasks.load([code], self.size, "a region"))[:, 0].tolist()
        return found


@dataclass(frozen=True)
class _Region:
    """A region: its labels, its mask, whether it is a brush, and the number in its note; 0 for none."""

    labels: tuple[str, ...]
    code: Mapping[str, Any]
    brush: bool
    number: int


def read_opinion(annotation: Any, regions: RowRegions, item: ReviewItem) -> HumanDecision | None:
    """The decision of an annotation; None if it was cancelled or has none.

    Raises:
        InputError: its regions or texts cannot be used.
    """
    if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
        raise InputError(f"expected an annotation with a result, got {describe(annotation)}")
    results = [result for result in annotation["result"] if isinstance(result, dict)]
    chosen = _chosen(results, "decision")
    action = next((known for known in ACTIONS if known == chosen), None)
    if annotation.get("was_cancelled") or action is None:
        return None
    decision = HumanDecision(
        item.id,
        item.digest,
        action,
        comment="\n".join(_texts(results, "comment") or ()),
        reviewer=_reviewer(annotation.get("completed_by")),
        time=str(annotation.get("updated_at") or annotation.get("created_at") or ""),
    )
    if action == "reject":
        decision = replace(decision, reason=_chosen(results, "reason") or "")
    elif action == "accept":
        candidate = item.decision.candidate
        instruction = (_texts(results, "instruction") or [candidate.instruction])[-1].strip()
        phrases, masks, added = _objects(results, regions, item)
        decision = replace(
            decision,
            instruction="" if instruction == candidate.instruction else instruction,
            phrases=changed_phrases(candidate, phrases),
            masks=tuple(masks),
            added=tuple(added),
        )
    return parse_decision(decision_to_dict(decision), "the annotation")


def _objects(
    results: list[dict[str, Any]], regions: RowRegions, item: ReviewItem
) -> tuple[list[tuple[str, set[int]]], list[CorrectedMask], list[AddedObject]]:
    """The phrases with their numbers, corrected masks, and new objects."""
    candidate, row = item.decision.candidate, regions.row
    texts = _texts(results, "phrases") or [phrase.text for phrase in candidate.phrases]
    if len(texts) != len(candidate.phrases):
        raise InputError(f"expected {len(candidate.phrases)} phrases, got {len(texts)}: edit them in place")
    shown = set(shown_numbers(row, item))
    numbers = [set(phrase.numbers) - shown for phrase in candidate.phrases]
    labels = {phrase_label(index): index for index in range(len(numbers))}
    masks: list[CorrectedMask] = []
    added: list[AddedObject] = []
    taken: set[int] = set()
    found = [_region(result, regions) for result in results if result.get("type") in _SHAPES]
    for region in sorted((one for one in found if one is not None), key=lambda one: one.number == 0):
        meant = sorted(labels[label] for label in region.labels if label in labels)
        if not meant and set(region.labels) - {NOT_MEANT}:
            raise InputError(f"expected labels of {len(numbers)} phrases, got {', '.join(region.labels)}")
        overlaps = regions.overlaps(region.code)
        number = _match(region, overlaps, taken)
        if number:
            taken.add(number)
            for index in meant:
                numbers[index].add(number)
            if (
                region.brush
                and row.instances[number - 1].known == "mask"
                and overlaps[number - 1] < SAME_MASK
            ):
                masks.append(CorrectedMask(number, dict(region.code)))
        elif meant and region.brush:
            added.append(AddedObject(tuple(meant), dict(region.code)))
        elif meant:
            raise InputError("a new object must be drawn with the brush, got a box or a point")
    return list(zip((text.strip() for text in texts), numbers, strict=True)), masks, added


def _match(region: _Region, overlaps: list[float], taken: set[int]) -> int:
    """The number of a region's object; 0 for a new one."""
    if 0 < region.number <= len(overlaps) and region.number not in taken:
        return region.number
    free = [(overlap, -index) for index, overlap in enumerate(overlaps) if index + 1 not in taken]
    best, index = max(free, default=(0.0, 0))
    return 1 - index if best >= SAME_OBJECT else 0


def _region(result: dict[str, Any], regions: RowRegions) -> _Region | None:
    """A region; None for one without a pixel, which is as good as deleted."""
    kind, value = str(result["type"]), result.get("value")
    if not isinstance(value, dict) or not isinstance(value.get(kind, []), list):
        raise InputError(f"expected a region with {kind}, got {describe(value)}")
    size = (result.get("original_height"), result.get("original_width"))
    if size != regions.size:
        raise InputError(f"expected a region of an image of {regions.size} px (height, width), got {size}")
    if kind == "brushlabels":
        mask = decode_brush(value.get("rle") or (), regions.size)
        if not np.any(mask):
            return None
        code: Mapping[str, Any] = encode_rle(mask)
    else:
        code = region_code(_box_or_point(value, regions.row), regions.row.image)
    labels = tuple(str(label) for label in value.get(kind, []))
    return _Region(labels, code, kind == "brushlabels", _noted(result))


def _box_or_point(value: Mapping[str, Any], row: ImageRow) -> InstanceRecord:
    lengths = [value.get(key, 0.0) for key in ("x", "y", "width", "height")]
    if not all(map(is_number, lengths)):
        raise InputError(f"expected a region with x, y, width and height in percent, got {describe(value)}")
    x, y, width, height = (float(length) / 100 for length in lengths)
    x, y = x * row.image.width, y * row.image.height
    if "height" not in value:
        return InstanceRecord(point_xy=(x, y))
    return InstanceRecord(box_xywh=(x, y, width * row.image.width, height * row.image.height))


def _noted(result: Mapping[str, Any]) -> int:
    """The number in the note or in the id of a region; 0 for none."""
    meta = result.get("meta")
    notes = meta.get("text") if isinstance(meta, dict) else None
    for text in (*(notes if isinstance(notes, list) else [notes]), result.get("id")):
        found = _NUMBER.fullmatch(text) if isinstance(text, str) else None
        if found:
            return int(found[1])
    return 0


def _values(results: list[dict[str, Any]], name: str, key: str) -> list[str] | None:
    """The texts of a control; None if the annotation does not have it."""
    for result in results:
        value = result.get("value")
        if result.get("from_name") == name and isinstance(value, dict) and key in value:
            found = value[key] if isinstance(value[key], list) else [value[key]]
            return [str(text) for text in found]
    return None


def _texts(results: list[dict[str, Any]], name: str) -> list[str] | None:
    return _values(results, name, "text")


def _chosen(results: list[dict[str, Any]], name: str) -> str | None:
    found = _values(results, name, "choices")
    return found[0] if found else None


def _reviewer(value: Any) -> str:
    """The annotator: an id, or an object with an e-mail address and an id."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return "" if value is None else str(value)
