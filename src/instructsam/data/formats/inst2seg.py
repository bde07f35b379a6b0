"""Inst2Seg and Inst2Seg-Bench as published: a list of {image, height, width, type, annotation: [...]}.

An annotation of the data set is {type: phrase | sentence | OCR, text, category, answer, ann_type: mask | bbox | point,
ann}, with `ann` a list of JSON strings (a run-length code, a polygon, [x, y, w, h] or [x, y]) or null for no target.
The benchmark's has {text, mask}, without `mask` for no target; a list of outlines in `mask` is one object in parts, as
in COCO, and a list of run-length codes or of such lists is several. Phrase of a record: the text itself for type
"phrase", else the category if there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from instructsam.data.formats.boxes import box_instance, point_instance
from instructsam.data.formats.outlines import is_box, parsed, read_instance
from instructsam.data.formats.source import Node, Tally, image_ref, joined, read_json
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record
from instructsam.structures.checks import is_number

NO_MASK = "instructions with a mask, box or point that is damaged or has no pixel"
_KINDS = ("mask", "bbox", "point")


def read_inst2seg(path: Path, images: str, tally: Tally) -> Iterator[Record]:
    """Records of one published file.

    Args:
        images: folder of the pictures, relative to the data folder, "" for the data folder itself.
        tally: counts instructions with a damaged or empty mask, box or point.

    Raises:
        RecordError: something in the file is not as published; the message names the place.
    """
    for number, item in enumerate(read_json(path).items()):
        image = image_ref(joined(images, item["image"].path()), item)
        for index, annotation in enumerate(item["annotation"].items()):
            instances = _instances(annotation, image, tally)
            if instances is None:
                continue
            text = annotation["text"].text()
            kind = annotation.get("type") or item.get("type")
            family = kind.text() if kind is not None else ""
            category = _word(annotation, "category")
            phrase = text if family.lower() == "phrase" or not category else category
            answer = _word(annotation, "answer")
            yield Record(
                f"{path.stem}-{number}-{index}",
                image,
                text,
                (PhraseRecord(phrase, instances),),
                family,
                {"answer": answer} if answer else {},
            )


def inst2seg_images(path: Path, images: str) -> list[str]:
    """The pictures of one published file."""
    return [joined(images, item["image"].path()) for item in read_json(path).items()]


def _instances(annotation: Node, image: ImageRef, tally: Tally) -> tuple[InstanceRecord, ...] | None:
    """None when one of them cannot be used: the answer is then unknown."""
    kind = _kind(annotation)
    value = _masks(annotation)
    if value is None or value.value is None:
        return ()
    instances = []
    for entry in _entries(value):
        instance = _instance(
            parsed(entry) if isinstance(entry.value, str) else entry, kind, annotation, image, tally
        )
        if instance is None:
            tally.leave_out(NO_MASK)
            return None
        instances.append(instance)
    return tuple(instances)


def _kind(annotation: Node) -> str:
    node = annotation.get("ann_type")
    kind = "mask" if node is None else node.text()
    if node is not None and kind not in _KINDS:
        raise node.wrong("'mask', 'bbox' or 'point'")
    return kind


def _entries(value: Node) -> list[Node]:
    """One value per object: a list of them, or the single object's."""
    found = value.value
    if not isinstance(found, list) or (value.place.endswith(".mask") and _is_outlines(found)):
        return [value]
    if found and all(map(is_number, found)):
        return [value]
    return list(value.items())


def _instance(
    entry: Node, kind: str, annotation: Node, image: ImageRef, tally: Tally
) -> InstanceRecord | None:
    category = _word(annotation, "category")
    if kind == "point":
        return point_instance(entry, image, tally, category)
    if kind == "bbox" or is_box(entry.value):
        return box_instance(entry, image, tally, category)
    return read_instance(entry, image, tally, category)


def _masks(annotation: Node) -> Node | None:
    """`ann` of the data set, which must be there, or `mask` of the benchmark, which is left out without a target."""
    fields = annotation.value if isinstance(annotation.value, dict) else {}
    if "ann" in fields or "ann_type" in fields:
        return annotation["ann"]
    return annotation.get("mask")


def _is_outlines(value: list[Any]) -> bool:
    """Lists of numbers, such as COCO's polygons."""
    return bool(value) and all(isinstance(part, list) and part and is_number(part[0]) for part in value)


def _word(annotation: Node, name: str) -> str:
    found = annotation.get(name)
    return found.text() if found is not None and isinstance(found.value, str) and found.value.strip() else ""
