"""What every reader of a published format needs: files, places for messages, masks in any spelling, a tally."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.errors import ImageError, RecordError, first_line
from instructsam.images.limits import MAX_PIXELS
from instructsam.images.loader import read_size
from instructsam.structures.masks import decode_rle, encode_rle, mask_boxes_xyxy

_BOX_NUMBERS = 4
_POLYGON_NUMBERS = 6  # three corners
_FAR = 4  # picture sides; the rasteriser's memory grows with the length of the outline


class Tally:
    """What a reader left out, and why; nothing is skipped without a line here."""

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Count something that does not become a record or instance."""
        if count:
            self.left_out[reason] += count

    def lines(self) -> list[str]:
        """One line per reason, the most frequent first."""
        return left_out_lines(dict(self.left_out.most_common()))


def left_out_lines(counts: Mapping[str, int]) -> list[str]:
    """What was left out, in words: one line per reason, in the order given."""
    return [f"left out: {count} x {reason}" for reason, count in counts.items()]


class Node:
    """A value inside a published file, with the place for messages."""

    __slots__ = ("_key", "_parent", "file", "value")

    def __init__(self, value: Any, file: Path, parent: Node | None = None, key: str | int = "") -> None:
        self.value, self.file = value, file
        self._parent, self._key = parent, key

    @property
    def place(self) -> str:
        """Such as `[12].annotation[0].ann`."""
        if self._parent is None:
            return ""
        dot = "." if isinstance(self._key, str) and self._parent.place else ""
        return f"{self._parent.place}{dot}{self._key if isinstance(self._key, str) else f'[{self._key}]'}"

    def wrong(self, expected: str, mend: str = "mend this place, or fetch the file again") -> RecordError:
        """The error that says what should stand here."""
        words = repr(self.value)
        got = words if len(words) <= 60 else words[:57] + "..."
        at = f", at {self.place}" if self.place else ""
        return RecordError(f"{self.file}{at}: expected {expected}, got {got}; {mend}")

    def __getitem__(self, name: str) -> Node:
        """A field that must be there."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("a JSON object")
        if name not in self.value:
            named = ", ".join(str(key) for key in list(self.value)[:8]) or "none"
            raise RecordError(
                f"{self.file}, at {self.place or 'the top'}: the field {name!r} is missing (there are {named}); "
                "mend this place, or choose the reader that this file is for"
            )
        return Node(self.value[name], self.file, self, name)

    def get(self, name: str) -> Node | None:
        """A field that may be missing or null."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("a JSON object")
        return Node(self.value[name], self.file, self, name) if self.value.get(name) is not None else None

    def items(self) -> Iterator[Node]:
        """The entries of a list."""
        if not isinstance(self.value, list | tuple):
            raise self.wrong("a list")
        return (Node(value, self.file, self, number) for number, value in enumerate(self.value))

    def text(self) -> str:
        """Text that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong("text that is not empty")
        return self.value.strip()

    def whole(self) -> int:
        """A whole number; 3.0 is one too."""
        if not is_number(self.value) or self.value != int(self.value):
            raise self.wrong("a whole number")
        return int(self.value)

    def side(self) -> int:
        """A positive whole number of pixels."""
        if (found := self.whole()) < 1:
            raise self.wrong("a positive whole number of pixels")
        return found

    def key(self) -> int | str:
        """An id: a whole number or text."""
        usable = isinstance(self.value, int) or (isinstance(self.value, str) and self.value.strip())
        if not usable or isinstance(self.value, bool):
            raise self.wrong("an id, a number or text")
        found: int | str = self.value
        return found

    def name(self) -> str:
        """An id as text."""
        return str(self.key())

    def path(self) -> str:
        """A file inside the data folder, with forward slashes."""
        file = self.text()
        if file.startswith("/") or ".." in file.split("/") or "\\" in file or file[1:2] == ":":
            raise self.wrong("a path with forward slashes that stays inside the folder")
        return file


def read_json(path: Path, or_else: str | None = None) -> Node:
    """A whole JSON file.

    Args:
        or_else: encoding of a file that is no UTF-8 text; None: there is none.

    Raises:
        RecordError: it is missing, no UTF-8 text or no JSON; the message names line and column.
    """
    try:
        return Node(json.loads(_read_text(path, or_else)), path)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); put the file there") from error
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#04x}"
        ) from error
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise RecordError(f"{path}, {at}: this is not JSON ({error.msg}); fetch the file again") from error


def _read_text(path: Path, or_else: str | None) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        if or_else is None:
            raise
        return content.decode(or_else)


def image_ref(file: str, node: Node) -> ImageRef:
    """The picture that a node with `height` and `width` describes."""
    height, width = node["height"].side(), node["width"].side()
    if height * width > MAX_PIXELS:
        raise node["height"].wrong(f"a picture of at most {MAX_PIXELS} pixels")
    return ImageRef(file, height, width)


def end_of_url(node: Node) -> str:
    """Folder and name of a picture: the last two parts of COCO's `coco_url`."""
    parts = node.text().split("/")[-2:]
    if len(parts) < 2 or not all(parts) or ".." in parts or "\\" in "".join(parts):
        raise node.wrong("an address that ends in the picture's folder and name")
    return "/".join(parts)


def image_size(path: Path, tally_for: Node) -> tuple[int, int]:
    """(height, width) of the upright picture, from its header.

    Raises:
        RecordError: it cannot be read; the message names the place that asks for it.
    """
    try:
        return read_size(path)
    except ImageError as error:
        at = tally_for.place or "the top"
        raise RecordError(
            f"{tally_for.file}, at {at}: its picture cannot be read: {error}; put the picture there"
        ) from error


def mask_of(node: Node | None, height: int, width: int) -> NDArray[np.bool_] | None:
    """The mask of a segmentation in any of the field's spellings; None without one.

    Polygons (lists of x, y, as COCO rasterises them), run-length codes (compressed, or a list of runs), JSON text of
    either, and lists of these, which are united.
    """
    if node is None or node.value is None or (isinstance(node.value, list | str) and not node.value):
        return None
    value = node.value
    if isinstance(value, str):
        return mask_of(parsed(node), height, width)
    if isinstance(value, Mapping):
        return _run_lengths(node, height, width)
    if not isinstance(value, list):
        raise node.wrong("a polygon, a run-length code, a list of them, or null")
    if all(isinstance(number, int | float) for number in value):
        return _polygon(node, value, height, width)
    parts = [mask for part in node.items() if (mask := mask_of(part, height, width)) is not None]
    return np.any(parts, axis=0) if parts else None


def parsed(node: Node) -> Node:
    """The value of JSON text, at the same place."""
    try:
        return Node(json.loads(node.value), node.file, node, "(JSON text)")
    except (json.JSONDecodeError, TypeError) as error:
        raise node.wrong("a mask, or JSON text of one") from error


def is_number(value: Any) -> bool:
    """A finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def is_box(value: Any) -> bool:
    """Whether this is [x, y, w, h]: four numbers cannot be a polygon."""
    numbers = isinstance(value, list) and len(value) == _BOX_NUMBERS
    return numbers and all(isinstance(number, int | float) for number in value)


def _run_lengths(node: Node, height: int, width: int) -> NDArray[np.bool_]:
    size = node["size"]
    if size.value != [height, width]:
        raise size.wrong(f"the picture's [height, width] = {[height, width]}")
    try:
        return decode_rle(node.value)
    except (ValueError, TypeError, OverflowError) as error:  # one of these is our own InputError
        raise RecordError(
            f"{node.file}, at {node.place}: {first_line(error)}; fetch the file again"
        ) from error


def _polygon(node: Node, corners: Sequence[float], height: int, width: int) -> NDArray[np.bool_]:
    # Official masks are COCO's rasterisation, to the pixel; its module is only needed by those who read polygons.
    from pycocotools import mask as coco

    if len(corners) < _POLYGON_NUMBERS or len(corners) % 2 or not all(map(is_number, corners)):
        raise node.wrong("a polygon, x and y of at least three corners")
    if max(abs(number) for number in corners) > _FAR * max(height, width):
        raise node.wrong(f"a polygon in a picture of {width} x {height}")
    return decode_rle(coco.frPyObjects([list(corners)], height, width)[0])


def instance_of(mask: NDArray[np.bool_], category: str = "") -> InstanceRecord | None:
    """The record of one object; None for a mask without a pixel."""
    x1, y1, x2, y2 = (float(value) for value in mask_boxes_xyxy(mask[None])[0])
    if x2 <= x1:
        return None
    return InstanceRecord(encode_rle(mask), (x1, y1, x2 - x1, y2 - y1), category)


def read_instance(node: Node, image: ImageRef, category: str = "") -> InstanceRecord | None:
    """The object whose segmentation a node holds, in any spelling; None without a pixel."""
    mask = mask_of(node, image.height, image.width)
    return None if mask is None else instance_of(mask, category)


def inside(folder: Path, path: Path) -> str:
    """The path of a picture relative to the data folder, with forward slashes."""
    return path.relative_to(folder).as_posix()
