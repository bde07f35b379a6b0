"""The queue as tasks of Label Studio, with the engine's answer as a prediction, and the labelling interface for them.

A prediction has one region per object: its labels are the phrases that mean it, or `NOT_MEANT`. Objects that are
neither claimed, nor named by a vote, nor of the class of such an object, are left out.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote
from xml.etree import ElementTree

from instructsam.data.record import InstanceRecord
from instructsam.engine.review.page_data import REASONS
from instructsam.engine.review.queue import ReviewItem
from instructsam.engine.row_images import RowImages
from instructsam.engine.rows import ImageRow
from instructsam.exports.label_studio_rle import encode_brush
from instructsam.structures.files import write_text
from instructsam.structures.masks import decode_rle
from instructsam.visualization.palette import color_of, to_hex

ImageUrl: TypeAlias = Callable[[ImageRow], str]
"""The address at which Label Studio finds the image of a row."""

NOT_MEANT = "not meant"
PER_FILE = 500  # tasks; Label Studio refuses uploads of more than 250 MB
_MODEL = "instructsam-engine"
_GREY = "#888888"
_QUALITY = 90
_POINT_WIDTH = 1.0  # % of the image


def url_prefix(prefix: str) -> ImageUrl:
    """Addresses that are a prefix and the image's path: "https://example.org/images", "s3://bucket/images"."""
    return lambda row: f"{prefix.rstrip('/')}/{quote(row.image.file)}"


def local_files(folder: str) -> ImageUrl:
    """Files that Label Studio serves from its document root; `folder` is that of the images, relative to the root."""
    start = f"{folder.strip('/')}/" if folder.strip("/") else ""
    return lambda row: f"/data/local-files/?d={quote(start + row.image.file)}"


def embedded(images: RowImages) -> ImageUrl:
    """Data URLs, for a few small images: every task holds its own."""

    def url(row: ImageRow) -> str:
        stream = io.BytesIO()
        images.load(row).convert("RGB").save(stream, format="JPEG", quality=_QUALITY)
        return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")

    return url


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
        tasks = [make_task(item, image_url(item.row)) for item in part]
        write_text(files[-1], json.dumps(tasks, allow_nan=False) + "\n")
    phrases = max((len(item.decision.candidate.phrases) for item in items), default=1)
    files.append(path.with_suffix(".xml"))
    write_text(files[-1], labelling_interface(phrases))
    return files


def make_task(item: ReviewItem, image: str) -> dict[str, Any]:
    """One task; `image` is the address of its image."""
    decision, candidate = item.decision, item.decision.candidate
    checks = ", ".join(f"{name} {value:g}" for name, value in decision.votes.items())
    result = [_region(item.row, number, _labels(item, number)) for number in shown_numbers(item.row, item)]
    result += [
        _control("instruction", "textarea", {"text": [candidate.instruction]}),
        _control("phrases", "textarea", {"text": [phrase.text for phrase in candidate.phrases]}),
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


def labelling_interface(phrases: int) -> str:
    """The labelling interface of tasks with at most this many phrases."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="about", value="$about")
    ElementTree.SubElement(view, "Image", name="image", value="$image", zoom="true", zoomControl="true")
    for tag, name in (("BrushLabels", "objects"), ("RectangleLabels", "boxes"), ("KeyPointLabels", "points")):
        labels = ElementTree.SubElement(view, tag, name=name, toName="image", choice="multiple")
        for index in range(phrases):
            ElementTree.SubElement(
                labels, "Label", value=phrase_label(index), background=to_hex(color_of(index))
            )
        ElementTree.SubElement(labels, "Label", value=NOT_MEANT, background=_GREY)
    for name, most in (("instruction", "1"), ("phrases", str(phrases)), ("comment", "1")):
        ElementTree.SubElement(view, "Header", value=name.capitalize())
        area = {"name": name, "toName": "image", "editable": "true", "maxSubmissions": most}
        ElementTree.SubElement(view, "TextArea", area)
    decision = ElementTree.SubElement(
        view, "Choices", name="decision", toName="image", choice="single", required="true"
    )
    for place, action in enumerate(("accept", "reject", "skip"), start=1):
        ElementTree.SubElement(decision, "Choice", value=action, hotkey=str(place))
    when = {"visibleWhen": "choice-selected", "whenTagName": "decision", "whenChoiceValue": "reject"}
    reasons = ElementTree.SubElement(
        view, "Choices", {"name": "reason", "toName": "image", "choice": "single", **when}
    )
    for reason in REASONS:
        ElementTree.SubElement(reasons, "Choice", value=reason)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _labels(item: ReviewItem, number: int) -> list[str]:
    phrases = item.decision.candidate.phrases
    found = [phrase_label(index) for index, phrase in enumerate(phrases) if number in phrase.numbers]
    return found or [NOT_MEANT]


def _region(row: ImageRow, number: int, labels: list[str]) -> dict[str, Any]:
    """An object; its number is in the id, and in a note since Label Studio gives annotations new ids."""
    name, kind, value = _shape(row, row.instances[number - 1])
    return {
        **_control(name, kind, {**value, kind: labels}),
        "id": f"object-{number}",
        "meta": {"text": [f"object {number}"]},
        "original_width": row.image.width,
        "original_height": row.image.height,
        "image_rotation": 0,
    }


def _shape(row: ImageRow, instance: InstanceRecord) -> tuple[str, str, dict[str, Any]]:
    """The name of the control, the type and the value of an object; lengths in percent of the image."""
    width, height = row.image.width / 100, row.image.height / 100
    if instance.rle is not None:
        return "objects", "brushlabels", {"format": "rle", "rle": encode_brush(decode_rle(instance.rle))}
    if instance.box_xywh is not None:
        x, y, w, h = instance.box_xywh
        box = {"x": x / width, "y": y / height, "width": w / width, "height": h / height, "rotation": 0}
        return "boxes", "rectanglelabels", box
    x, y = instance.point_xy or (0.0, 0.0)
    return "points", "keypointlabels", {"x": x / width, "y": y / height, "width": _POINT_WIDTH}


def _control(name: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": kind, "value": value}
