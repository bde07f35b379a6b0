"""LISA++ (arXiv 2312.17240): questions about COCO's train2017 pictures, each with the objects of its answer.

An entry of the instance file is {img_path, "English Question", ID: [object ids], points: {id: object}}. An entry of the
reasoning file (COT) is {image_path, "English Question", "English Answer", info: {id: object}}; its answer names objects
as <id|name> or [name <id>, ...]. An object is its outline, or {points, polygon or segmentation: outline, "label name":
name}; an outline is a list of numbers, of points, or of several such lists. The size of a picture is not stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from instructsam.data.formats.outlines import read_instance
from instructsam.data.formats.source import Node, Tally, joined, read_json
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record
from instructsam.errors import ImageError, RecordError
from instructsam.images.loader import read_size
from instructsam.structures.checks import is_number
from instructsam.structures.file_names import find_file

NO_MASK = "questions with an object whose outline is missing, damaged or without a pixel"
NO_OBJECT = "answers that name no object"
_PICTURE = ("img_path", "image_path", "img_pth")
_OUTLINE = ("points", "polygon", "segmentation")
_REFERENCE = re.compile(r"[<《](\d+)\s*(?:\|\s*([^>》]*))?[>》]")


def read_lisa_plus(path: Path, images: str, root: Path, tally: Tally) -> Iterator[Record]:
    """Records of the instance file or of the reasoning file, which differ in their fields.

    Args:
        path: the file.
        images: folder of the pictures, relative to the data folder.
        root: the data folder.
    """
    sizes: dict[str, ImageRef] = {}
    for number, item in enumerate(read_json(path).items()):
        file = joined(images, _picture(item))
        if file not in sizes:
            sizes[file] = _sized(file, root, item)
        question = item["English Question"].text()
        objects = item.get("points") or item["info"]
        references = _references(item)
        if not references:
            tally.leave_out(NO_OBJECT, example=item.at())
            continue
        phrases = _phrases(references, objects, question, sizes[file], tally)
        if phrases is None:
            tally.leave_out(NO_MASK)
        else:
            yield Record(f"{path.parent.name}-{number}", sizes[file], question, phrases)


def lisa_plus_images(path: Path, images: str) -> list[str]:
    """The pictures of a file."""
    return [joined(images, _picture(item)) for item in read_json(path).items()]


def _picture(item: Node) -> str:
    found = next((name for name in _PICTURE if item.get(name) is not None), _PICTURE[0])
    return item[found].path()


def _sized(file: str, root: Path, item: Node) -> ImageRef:
    try:
        return ImageRef(file, *read_size(find_file(root, file)))
    except ImageError as error:
        raise RecordError(
            f"{item.at()}: its picture cannot be read: {error}; put the picture there"
        ) from error


def _references(item: Node) -> list[tuple[str, str]]:
    """Ids of the answer's objects, each once, and their names in the answer ("" where it gives none)."""
    listed = item.get("ID")
    if listed is not None:
        return list(dict.fromkeys((node.name(), "") for node in listed.items()))
    found: dict[str, str] = {}
    for number, name in _REFERENCE.findall(item["English Answer"].text()):
        found[number] = found.get(number) or name.strip()
    return list(found.items())


def _phrases(
    references: Sequence[tuple[str, str]], objects: Node, question: str, image: ImageRef, tally: Tally
) -> tuple[PhraseRecord, ...] | None:
    """Objects of one name stand under one phrase; None when one of them has no usable outline."""
    groups: dict[str, list[InstanceRecord]] = {}
    for number, stated in references:
        node = objects.get(number)
        name = stated or _label(node)
        instance = None if node is None else read_instance(_outline(node), image, tally, name)
        if instance is None:
            return None
        groups.setdefault(name or question, []).append(instance)
    return tuple(PhraseRecord(text, tuple(group)) for text, group in groups.items())


def _label(node: Node | None) -> str:
    if node is None or not isinstance(node.value, dict):
        return ""
    found = node.get("label name")
    return "" if found is None else found.text()


def _outline(node: Node) -> Node:
    """The outline of an object in COCO's notation, at the same place; run-length codes are kept."""
    if isinstance(node.value, dict) and "counts" not in node.value:
        node = node[next((name for name in _OUTLINE if node.get(name) is not None), _OUTLINE[0])]
    return Node(_flat(node.value), node.file, node, "(as outlines)")


def _flat(value: Any, depth: int = 3) -> Any:
    """Lists of points [x, y] become lists of numbers; anything else is left as it is."""
    if not isinstance(value, list) or not depth:
        return value
    if value and all(_is_point(point) for point in value):
        return [number for point in value for number in point]
    return [_flat(part, depth - 1) for part in value]


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
