"""COCO files with instructions: `instructsam train --data` takes them, and so do tools that know COCO alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.data.regions import region_code
from instructsam.engine.write.rows import ExportRow
from instructsam.structures.rle_masks import RleMasks

NAME = "instances.json"


class CocoNumbers:
    """Ids of categories and licences, the same ones in all files of an export."""

    def __init__(self) -> None:
        self.categories: dict[str, int] = {}
        self.licences: dict[str, int] = {}

    def category(self, name: str) -> int | None:
        """None for an object without a category."""
        return self.categories.setdefault(name, len(self.categories) + 1) if name else None

    def licence(self, name: str) -> int | None:
        """None for an unknown one."""
        return self.licences.setdefault(name, len(self.licences) + 1) if name else None

    def tables(self) -> dict[str, Any]:
        """The lists at the end of a file."""
        return {
            "categories": [{"id": number, "name": name} for name, number in self.categories.items()],
            "licenses": [{"id": number, "name": name, "url": ""} for name, number in self.licences.items()],
        }


def collect_numbers(rows: Iterable[ExportRow], numbers: CocoNumbers) -> None:
    """Give all categories and licences of some rows their ids."""
    for found in rows:
        numbers.licence(found.row.licence)
        for instance in found.row.instances:
            numbers.category(instance.category)
        for _, category in found.crowds:
            numbers.category(category)


def write_coco(path: Path, rows: Iterable[ExportRow], numbers: CocoNumbers) -> None:
    """Write the images of a split with all of their objects; memory does not grow with their number.

    Args:
        path: of the file.
        rows: of the split.
        numbers: see `collect_numbers`.
    """
    aside = path.with_suffix(".annotations")
    with path.open("w", encoding="utf-8", newline="\n") as out, aside.open("w+", encoding="utf-8") as later:
        out.write('{"images": [')
        annotation_id = 0
        for image_id, found in enumerate(rows, start=1):
            annotations = _annotations(found, image_id, annotation_id, numbers)
            _write(out, _image(found, image_id, annotation_id, numbers), image_id == 1)
            for annotation in annotations:
                annotation_id += 1
                _write(later, annotation, annotation_id == 1)
        out.write('\n], "annotations": [')
        later.seek(0)
        shutil.copyfileobj(later, out)
        out.write("\n]")
        for key, value in numbers.tables().items():
            out.write(f', "{key}": {_json(value)}')
        out.write("}\n")
    aside.unlink()


def _image(found: ExportRow, image_id: int, before: int, numbers: CocoNumbers) -> dict[str, Any]:
    """An entry of `images` with its instructions, whose targets are annotations by id."""
    image = found.image
    instructions = [
        {
            "id": decision.candidate.id,
            "kind": decision.candidate.kind,
            "instruction": decision.candidate.instruction,
            "annotation_ids": [before + number for number in decision.candidate.numbers],
        }
        for decision in found.decisions
    ]
    return {
        "id": image_id,
        "file_name": image.file,
        "height": image.height,
        "width": image.width,
        "license": numbers.licence(found.row.licence),
        "instruction": instructions,
    }


def _annotations(found: ExportRow, image_id: int, before: int, numbers: CocoNumbers) -> list[dict[str, Any]]:
    """The objects of an image in the order of their numbers, then its crowds of known categories."""
    objects = [(instance, instance.category, 0) for instance in found.row.instances]
    crowds = [(InstanceRecord(code), category, 1) for code, category in found.crowds if category]
    entries = [*objects, *crowds]
    return [
        {
            "id": before + place,
            "image_id": image_id,
            **shape,
            "category_id": numbers.category(category),
            "iscrowd": is_crowd,
        }
        for place, (shape, (_, category, is_crowd)) in enumerate(
            zip(_shapes([instance for instance, _, _ in entries], found.image), entries, strict=True), start=1
        )
    ]


def _shapes(instances: Sequence[InstanceRecord], image: ImageRef) -> Iterator[dict[str, Any]]:
    """Mask, box and area of each object; of one without a mask its box alone."""
    codes = [region_code(instance, image) for instance in instances]
    regions = RleMasks.load(codes, (image.height, image.width), image.file)
    areas, boxes = regions.areas().tolist(), regions.boxes_xyxy().tolist()
    for instance, area, (left, top, right, bottom) in zip(instances, areas, boxes, strict=True):
        if instance.rle is not None:
            box = [left, top, right - left, bottom - top]
            yield {"segmentation": instance.rle, "bbox": box, "area": area}
        else:
            yield {"bbox": list(instance.box_xywh or ()), "area": area}


def _write(stream: IO[str], value: dict[str, Any], is_first: bool) -> None:
    stream.write(("\n" if is_first else ",\n") + _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)
