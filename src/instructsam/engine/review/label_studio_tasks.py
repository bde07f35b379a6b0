"""The queue as tasks of Label Studio, with the engine's answer as a prediction, and the labelling interface for them.

A prediction has one region per object: its labels are the phrases that mean it, or `NOT_MEANT`. Objects that are
neither claimed, nor named by a vote, nor of the class of such an object, are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

from instructsam.data.record import InstanceRecord, Known
from instructsam.engine.review.decisions import ACTIONS
from instructsam.engine.review.page_data import REASONS
from instructsam.engine.review.queue import ReviewItem
from instructsam.engine.row_images import RowImages
from instructsam.engine.rows import ImageRow
from instructsam.exports.label_studio_interface import (
    add_image,
    add_labels,
    embedded_url,
    local_file_url,
    prefixed_url,
    to_xml,
)
from instructsam.exports.label_studio_regions import (
    RegionKind,
    brush_value,
    control_result,
    point_value,
    rectangle_value,
    region,
)
from instructsam.structures.files import write_text
from instructsam.structures.masks import decode_rle
from instructsam.visualization.palette import color_of, to_hex

ImageUrl: TypeAlias = Callable[[ImageRow], str]
"""The address at which Label Studio finds the image of a row."""

NOT_MEANT = "not meant"
PER_FILE = 500  # tasks; Label Studio refuses uploads of more than 250 MB
_CONTROLS: dict[Known, tuple[str, RegionKind]] = {
    "mask": ("objects", "brush"),
    "box": ("boxes", "rectangle"),
    "point": ("points", "point"),
}
_MODEL = "instructsam-engine"
_GREY = "#888888"


def url_prefix(prefix: str) -> ImageUrl:
    """Addresses that are a prefix and the image's path: "https://example.org/images", "s3://bucket/images"."""
    return lambda row: prefixed_url(prefix, row.image.file)


def local_files(folder: str) -> ImageUrl:
    """Files that Label Studio serves from its document root; `folder` is that of the images, relative to the root."""
    return lambda row: local_file_url(folder, row.image.file)


def embedded(images: RowImages) -> ImageUrl:
    """Data URLs, for a few small images: every task holds its own."""
    return lambda row: embedded_url(images.load(row))


def write_tasks(
    items: Sequence[ReviewItem], image_url: ImageUrl, path: Path, *, per_file: int = PER_FILE
) -> list[Path]:
    """Write tasks to import into Label Studio, and the labelling interface to paste beside them as XML.

    Args:
        items: the queue.
        image_url: `url_prefix`, `local_files` or `embedded`.
        path: of the JSON file; several files are numbered.
        per_file: most tasks of a file.

    Returns:
        The files; the interface is the last.

    Raises:
        InputError: an image cannot be read, or a file cannot be written.
    """
    parts = [items[start : start + per_file] for start in range(0, len(items), per_file)] or [items]
    files = []
    for number, part in enumerate(parts, start=1):
        name = path.name if len(parts) == 1 else f"{path.stem}-{number:04}{path.suffix}"
        files.append(path.with_name(name))
        tasks: list[dict[str, Any]] = []
        for _, group in groupby(part, key=lambda item: item.row.id):
            tasks += _tasks_of_row(list(group), image_url)
        write_text(files[-1], json.dumps(tasks, allow_nan=False) + "\n")
    phrases = max((len(item.decision.candidate.phrases) for item in items), default=1)
    known = {
        item.row.instances[number - 1].known for item in items for number in shown_numbers(item.row, item)
    }
    files.append(path.with_suffix(".xml"))
    write_text(files[-1], labelling_interface(phrases, known | {"mask"}))
    return files


def _tasks_of_row(items: Sequence[ReviewItem], image_url: ImageUrl) -> list[dict[str, Any]]:
    """The tasks about one image, whose regions are encoded once."""
    row = items[0].row
    image = image_url(row)
    numbers = {number for item in items for number in shown_numbers(row, item)}
    shapes = {number: _shape(row, row.instances[number - 1]) for number in sorted(numbers)}
    return [_task(item, image, shapes) for item in items]


def _task(item: ReviewItem, image: str, shapes: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    decision, candidate = item.decision, item.decision.candidate
    checks = ", ".join(f"{name} {value:g}" for name, value in decision.votes.items())
    result = [
        _region(item.row, number, shapes[number], _labels(item, number))
        for number in shown_numbers(item.row, item)
    ]
    result += [
        control_result("instruction", "textarea", {"text": [candidate.instruction]}),
        control_result("phrases", "textarea", {"text": [phrase.text for phrase in candidate.phrases]}),
    ]
    return {
        "data": {
            "image": image,
            "candidate": item.id,
            "digest": item.digest,
            "about": f"{candidate.kind}; {decision.reason or item.cause}; {checks}",
        },
        "predictions": [{"model_version": _MODEL, "score": 1.0 - item.doubt, "result": result}],
    }


def shown_numbers(row: ImageRow, item: ReviewItem) -> list[int]:
    """The objects that a task shows."""
    near = {*item.decision.candidate.numbers, *item.decision.named}
    classes = {row.instances[number - 1].category for number in near} - {""}
    return [
        number
        for number, thing in enumerate(row.instances, start=1)
        if number in near or thing.category in classes
    ]


def phrase_label(index: int) -> str:
    """The label of the phrase of this index."""
    return f"phrase {index + 1}"


def labelling_interface(phrases: int, known: Collection[Known]) -> str:
    """The labelling interface of tasks with at most this many phrases, and with objects of which this is known."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="about", value="$about")
    add_image(view)
    labels = [(phrase_label(index), to_hex(color_of(index))) for index in range(phrases)]
    for kind, (name, shape) in _CONTROLS.items():
        if kind in known:
            add_labels(view, shape, name, [*labels, (NOT_MEANT, _GREY)], several=True)
    for name, most in (("instruction", "1"), ("phrases", str(phrases)), ("comment", "1")):
        ElementTree.SubElement(view, "Header", value=name.capitalize())
        area = {"name": name, "toName": "image", "editable": "true", "maxSubmissions": most}
        ElementTree.SubElement(view, "TextArea", area)
    decision = ElementTree.SubElement(
        view, "Choices", name="decision", toName="image", choice="single", required="true"
    )
    for action in ACTIONS:
        ElementTree.SubElement(decision, "Choice", value=action)
    when = {"visibleWhen": "choice-selected", "whenTagName": "decision", "whenChoiceValue": "reject"}
    reasons = ElementTree.SubElement(
        view, "Choices", {"name": "reason", "toName": "image", "choice": "single", **when}
    )
    for reason in REASONS:
        ElementTree.SubElement(reasons, "Choice", value=reason)
    return to_xml(view)


def _labels(item: ReviewItem, number: int) -> list[str]:
    phrases = item.decision.candidate.phrases
    found = [phrase_label(index) for index, phrase in enumerate(phrases) if number in phrase.numbers]
    return found or [NOT_MEANT]


def _region(row: ImageRow, number: int, shape: Mapping[str, Any], labels: list[str]) -> dict[str, Any]:
    """An object; its number is in the id, and in a note since Label Studio gives annotations new ids."""
    control, kind = _CONTROLS[row.instances[number - 1].known]
    size = (row.image.height, row.image.width)
    note = f"object {number}"
    return region(kind, shape, labels, size, control=control, region_id=f"object-{number}", note=note)


def _shape(row: ImageRow, instance: InstanceRecord) -> dict[str, Any]:
    """The value of an object; lengths in percent of the image."""
    size = (row.image.height, row.image.width)
    if instance.rle is not None:
        return brush_value(decode_rle(instance.rle))
    if instance.box_xywh is not None:
        x, y, width, height = instance.box_xywh
        return rectangle_value((x, y, x + width, y + height), size)
    return point_value(instance.point_xy or (0.0, 0.0), size)
