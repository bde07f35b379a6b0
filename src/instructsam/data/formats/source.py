"""Shared by the readers of published formats: files, places for messages, a tally of omissions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from instructsam.data.record import ImageRef
from instructsam.data.record_fields import is_path, leaves_folder
from instructsam.errors import InputError, RecordError
from instructsam.structures.checks import check_text, is_number, name_of_key, parse_json, shorten
from instructsam.structures.file_names import is_system_file
from instructsam.structures.files import reason
from instructsam.structures.masks import check_mask_size

_SHOWN_KEYS = 8
_LARGE = 1 << 26  # bytes of a file


class Tally:
    """Annotations and instructions that a reader left out, by reason; none is skipped without a line here.

    Attributes:
        left_out: how often, by reason.
        examples: by reason, the place of the first one and its fault, where the reason alone does not find it.
    """

    def __init__(self) -> None:
        self.left_out: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def leave_out(self, reason: str, count: int = 1, example: str = "") -> None:
        """Count something that does not become a record or instance."""
        if count:
            self.left_out[reason] += count
            if example:
                self.examples.setdefault(reason, example)

    def lines(self) -> list[str]:
        """One line per reason, the most frequent first."""
        return left_out_lines(dict(self.left_out.most_common()))


def left_out_lines(counts: Mapping[str, int], examples: Mapping[str, str] | None = None) -> list[str]:
    """One line per reason, in the order given; with `examples`, the first place of each."""
    found = examples or {}
    return [
        f"left out: {count} x {reason}" + (f" (such as {found[reason]})" if reason in found else "")
        for reason, count in counts.items()
    ]


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

    def at(self) -> str:
        """File and place, as messages start."""
        return f"{self.file}, at {self.place or 'the top'}"

    def wrong(self, expected: str, fix: str = "correct this place, or fetch the file again") -> RecordError:
        """The error that names the expected value."""
        at = self.at() if self.place else str(self.file)
        return RecordError(f"{at}: expected {expected}, got {shorten(self.value)}; {fix}")

    def __getitem__(self, name: str) -> Node:
        """A field that must be there."""
        if not isinstance(self.value, Mapping):
            raise self.wrong("a JSON object")
        if name not in self.value:
            keys = [name_of_key(key) for key, _ in zip(self.value, range(_SHOWN_KEYS), strict=False)]
            raise RecordError(
                f"{self.at()}: the field {name!r} is missing (there are {', '.join(keys) or 'none'}); "
                "correct this place, or choose the reader that this file is for"
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
        try:
            return check_text(self.value, self.at()).strip()
        except InputError as error:
            raise RecordError(str(error)) from error

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

    def flag(self) -> bool:
        """A boolean: true, false, 1 or 0."""
        if not isinstance(self.value, int) or self.value not in (0, 1):
            raise self.wrong("true, false, 1 or 0")
        return bool(self.value)

    def key(self) -> int | str:
        """An id: a whole number or text."""
        if isinstance(self.value, str):
            self.text()
        elif not isinstance(self.value, int) or isinstance(self.value, bool) or not is_number(self.value):
            raise self.wrong("an id, a number or text")
        found: int | str = self.value
        return found

    def name(self) -> str:
        """An id as text."""
        return str(self.key())

    def path(self) -> str:
        """A file inside the data folder, with forward slashes."""
        file = self.text()
        if leaves_folder(file) or not is_path(file):
            raise self.wrong("a path with forward slashes that stays inside the folder")
        return file


def several(node: Node | None) -> list[Node]:
    """The items of a list, or else the one value; none for a missing value and for ""."""
    if node is None or node.value == "":
        return []
    return list(node.items()) if isinstance(node.value, list) else [node]


def read_json(path: Path, or_else: str | None = None, packed: str = "") -> Node:
    """A whole JSON file, with or without a byte-order mark.

    Args:
        or_else: encoding of a file that is not UTF-8 text; None: such a file is refused.
        packed: a field whose lists stay JSON text in a large file: numbers in lists take five times the memory.

    Raises:
        RecordError: it is missing, not UTF-8 text or not JSON; the message names line and column.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read ({reason(error)}); put the file there") from error
    hook = _packer(packed) if packed and len(content) > _LARGE else None
    text = _decoded(content, or_else)
    del content
    try:
        return Node(parse_json(text, str(path), object_hook=hook), path)
    except InputError as error:
        raise RecordError(f"{error}; fetch the file again") from error


def _packer(field: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def pack(value: dict[str, Any]) -> dict[str, Any]:
        if isinstance(value.get(field), list):
            value[field] = json.dumps(value[field])
        return value

    return pack


def _decoded(content: bytes, or_else: str | None) -> str | bytes:
    """Text if the file has one of the two encodings, else the bytes."""
    for encoding in ("utf-8-sig", or_else) if or_else else ():
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content


def files_in(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder with this suffix, by name, without those that operating systems create.

    Raises:
        RecordError: the folder cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder}: the folder cannot be listed ({reason(error)})") from error
    return [path for path in entries if path.suffix == suffix and not is_system_file(path.name)]


def image_ref(file: str, node: Node) -> ImageRef:
    """The picture that a node with `height` and `width` describes."""
    return sized_image(file, node["height"], node["width"])


def sized_image(file: str, height: Node, width: Node) -> ImageRef:
    """The picture whose sides are in two nodes; too large a picture is refused."""
    sides = height.side(), width.side()
    try:
        check_mask_size(*sides, f"{height.at()}: [height, width]")
    except InputError as error:
        raise RecordError(f"{error}; correct this place, or fetch the file again") from error
    return ImageRef(file, *sides)


def end_of_url(node: Node) -> str:
    """Folder and name of a picture: the last two parts of COCO's `coco_url`."""
    parts = node.text().split("/")[-2:]
    name = "/".join(parts)
    if len(parts) < 2 or not all(parts) or ".." in parts or "\\" in name or not is_path(name):
        raise node.wrong("an address that ends in the picture's folder and name")
    return name


def joined(folder: str, file: str) -> str:
    """The path of a picture in a folder, "" for the data folder itself."""
    return f"{folder}/{file}" if folder else file


def inside(folder: Path, path: Path) -> str:
    """The path of a picture relative to the data folder, with forward slashes."""
    return path.relative_to(folder).as_posix()
