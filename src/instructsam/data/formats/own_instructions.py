"""Instructions for the annotations of a COCO file: in its annotations, in its images, or in a file of their own.

The file is JSON (a list), JSON lines or CSV of {image, instruction, annotation_ids}. `image` is a file name or an image
id; `annotation_ids` is a list, [] for no target; without it, the targets are all annotations of the image. In CSV the
ids are separated by spaces, and `all` stands for all of them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from instructsam.data.formats.source import Node, read_json, several
from instructsam.errors import InputError, RecordError
from instructsam.structures.checks import name_of_key, parse_json, shorten
from instructsam.structures.files import reason

ALL = "all"
T = TypeVar("T")
NAMES = ("instructions.json", "instructions.jsonl", "instructions.csv")


@dataclass(frozen=True)
class OwnInstruction:
    """An instruction about an image.

    Attributes:
        annotations: ids of its targets; none for no target; None for all annotations of the image.
        node: for messages.
    """

    text: str
    annotations: tuple[str, ...] | None
    node: Node

    def chosen(self, objects: Mapping[str, T], image: str) -> list[T]:
        """Its targets among the objects of the image by id.

        Raises:
            RecordError: the image has no such annotation.
        """
        if self.annotations is None:
            return list(objects.values())
        for name in self.annotations:
            if name not in objects:
                raise RecordError(
                    f"{self.node.at()}: expected ids of annotations of the image {image!r}, got {shorten(name)}; it "
                    f"has {', '.join(map(name_of_key, list(objects)[:8])) or 'none'}"
                )
        return [objects[name] for name in dict.fromkeys(self.annotations)]


def stated_instructions(image: Node, annotations: Iterable[tuple[str, Node]]) -> list[OwnInstruction]:
    """The instructions of `image.instruction` and of `instruction` in its annotations.

    Annotations with one text are the targets of one instruction. An image has a text, whose targets are all of its
    annotations, or a list of texts and of {instruction, annotation_ids}.
    """
    groups: dict[str, tuple[list[str], Node]] = {}
    for key, node in annotations:
        for stated in several(node.get("instruction")):
            groups.setdefault(stated.text(), ([], stated))[0].append(key)
    own = [OwnInstruction(text, tuple(keys), node) for text, (keys, node) in groups.items()]
    for stated in several(image.get("instruction")):
        if isinstance(stated.value, dict):
            own.append(_instruction(stated))
        else:
            own.append(OwnInstruction(stated.text(), None, stated))
    return own


def read_instructions(path: Path, images: Mapping[str, Node]) -> dict[str, list[OwnInstruction]]:
    """The instructions of a file by image id.

    Raises:
        RecordError: the file is malformed, or names an image that the COCO file lacks.
    """
    by_file = {image["file_name"].text(): key for key, image in images.items()}
    found: dict[str, list[OwnInstruction]] = {}
    for row in _rows(path):
        name = row["image"].name()
        key = by_file.get(name, name)
        if key not in images:
            raise row["image"].wrong("the file_name or id of one of the images")
        found.setdefault(key, []).append(_instruction(row))
    return found


def instructions_beside(annotations: Path) -> Path | None:
    """The file of instructions in the folder of a COCO file, if there is one."""
    return next((path for name in NAMES if (path := annotations.with_name(name)).is_file()), None)


def _instruction(node: Node) -> OwnInstruction:
    ids = node.get("annotation_ids")
    if ids is None or ids.value == ALL:
        return OwnInstruction(node["instruction"].text(), None, node)
    return OwnInstruction(node["instruction"].text(), tuple(one.name() for one in ids.items()), node)


def _rows(path: Path) -> Iterable[Node]:
    if path.suffix == ".json":
        return read_json(path).items()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read ({reason(error)}); save it as UTF-8 text") from error
    return _csv_rows(path, text) if path.suffix == ".csv" else _json_lines(path, text)


def _json_lines(path: Path, text: str) -> Iterable[Node]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = parse_json(line, f"{path}, line {number}")
        except InputError as error:
            raise RecordError(str(error)) from error
        yield Node(value, path, Node(None, path), f"line {number}")


def _csv_rows(path: Path, text: str) -> Iterable[Node]:
    rows = csv.DictReader(io.StringIO(text))
    for row in rows:
        if None in row or None in row.values():
            raise RecordError(
                f"{path}, line {rows.line_num}: expected {len(rows.fieldnames or ())} fields as in the first line, got "
                f"{_cells(row)}; put text with commas into double quotes, and spaces between several ids"
            )
        place = Node(None, path)
        value: dict[str, Any] = dict(row)
        ids = value.get("annotation_ids")
        if ids is not None and ids.strip() != ALL:
            value["annotation_ids"] = ids.replace(",", " ").replace(";", " ").split()
        yield Node(value, path, place, f"line {rows.line_num}")


def _cells(row: dict[str | Any, str | Any]) -> int:
    """Fields of a line: without those that are missing, with those that are too many."""
    return sum(len(cell) if isinstance(cell, list) else cell is not None for cell in row.values())
