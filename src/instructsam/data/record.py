"""One Inst2Seg line: an image, an instruction, and the instances of each phrase. See docs/inst2seg.md.

Reading is strict: the first thing that is wrong is reported with its file, line and field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

from instructsam.errors import InputError, RecordError
from instructsam.structures.checks import check_path, check_text, is_number, name_of_key, parse_json, shorten
from instructsam.structures.files import reason
from instructsam.structures.masks import check_mask_size, rle_area

_LONGEST_PATH = 4096
BOX_SLACK = 1.0  # pixels that a box may lie outside the image, for boxes that were rounded elsewhere


@dataclass(frozen=True)
class ImageRef:
    """An image file, relative to the folder of the records, and its upright size in pixels."""

    file: str
    height: int
    width: int


@dataclass(frozen=True)
class InstanceRecord:
    """One object: COCO run-length mask at image size, box in pixels, and what it is, if known."""

    rle: dict[str, Any]
    box_xywh: tuple[float, float, float, float]
    category: str = ""


@dataclass(frozen=True)
class PhraseRecord:
    """A noun phrase and its instances; no instances means no target."""

    text: str
    instances: tuple[InstanceRecord, ...]


@dataclass(frozen=True)
class Record:
    """One instruction about one image.

    Attributes:
        meta: whatever the record's maker wants to keep.
        ignore: COCO run-length code of the pixels that no score looks at; None: every pixel counts.
        crowds: COCO run-length codes of crowd regions, which are no targets (see docs/metrics.md).
        alternatives: what other annotators took for the instances of all phrases; only cgF1 looks at it.
    """

    id: str
    image: ImageRef
    instruction: str
    phrases: tuple[PhraseRecord, ...]
    family: str = ""
    meta: dict[str, Any] = field(default_factory=dict)
    ignore: dict[str, Any] | None = None
    crowds: tuple[dict[str, Any], ...] = ()
    alternatives: tuple[tuple[InstanceRecord, ...], ...] = ()


def parse_record(obj: Any, where: str) -> Record:
    """A decoded JSON object as a record.

    Args:
        where: what messages start with, such as "val.jsonl, line 3".

    Raises:
        RecordError: naming `where` and the field.
    """
    optional = ("family", "meta", "ignore", "crowds", "alternatives")
    top = _Object(obj, where, "", ("id", "image", "instruction", "phrases"), optional)
    image = _image(_Object(top.get("image"), where, "image", ("file", "height", "width")))
    phrases = tuple(
        _phrase(_Object(item, where, f"phrases[{n}]", ("text", "instances")), image)
        for n, item in enumerate(top.items("phrases"))
    )
    if not phrases:
        raise top.wrong("phrases", "at least one phrase", [])
    meta = top.get("meta", {})
    if not isinstance(meta, dict):
        raise top.wrong("meta", "an object", meta)
    return Record(
        top.text("id"),
        image,
        top.text("instruction"),
        phrases,
        top.text("family", ""),
        meta,
        ignore=_rle(top, "ignore", image) if top.get("ignore") is not None else None,
        crowds=_crowds(top, image),
        alternatives=_alternatives(top, image),
    )


def read_records(path: str | Path) -> Iterator[Record]:
    """The records of a JSONL file, one by one.

    Raises:
        RecordError: the file cannot be read, a line is malformed, or an id occurs twice.
    """
    seen: dict[str, int] = {}
    path = check_path(path, "path")
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{path}, line {number}"
                record = parse_record(_decode(line, where), where)
                if record.id in seen:
                    first = seen[record.id]
                    raise RecordError(
                        f"{where}, field id: {shorten(record.id)} is already used on line {first}"
                    )
                seen[record.id] = number
                yield record
    except OSError as error:
        raise RecordError(f"{path}: the records cannot be read ({reason(error)})") from error
    except ValueError as error:
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{str(path)!r}: the path is invalid ({error})") from error


def write_records(path: str | Path, records: Iterable[Record]) -> int:
    """Write records as JSONL and say how many; each is checked as on reading.

    Raises:
        RecordError: a record would not be read again, or the file cannot be written.
    """
    count = 0
    path = check_path(path, "path")
    try:
        with path.open("w", encoding="utf-8", newline="\n") as out:
            for count, record in enumerate(records, start=1):
                data = record_to_dict(record)
                where = f"{path}, record {count}"
                parse_record(data, where)
                out.write(_encode(data, where) + "\n")
    except OSError as error:
        raise RecordError(f"{path}: the records cannot be written ({reason(error)})") from error
    return count


def _encode(data: dict[str, Any], where: str) -> str:
    """One line of JSON; what was parsed can only fail in `meta`, which a caller may have filled with anything."""
    try:
        line = json.dumps(data, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise RecordError(f"{where}, field meta: expected JSON values, got others ({error})") from error
    # A lone surrogate cannot be written as UTF-8; as the escape that JSON has for it, it comes back.
    return line if line.isascii() or _is_encodable(line) else json.dumps(data)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def record_to_dict(record: Record) -> dict[str, Any]:
    """The JSON object of a record; `parse_record` reads it back."""
    data: dict[str, Any] = {
        "id": record.id,
        "image": {"file": record.image.file, "height": record.image.height, "width": record.image.width},
        "instruction": record.instruction,
        "phrases": [
            {"text": phrase.text, "instances": [_instance_to_dict(one) for one in phrase.instances]}
            for phrase in record.phrases
        ],
    }
    if record.family:
        data["family"] = record.family
    if record.meta:
        data["meta"] = record.meta
    if record.ignore is not None:
        data["ignore"] = record.ignore
    if record.crowds:
        data["crowds"] = list(record.crowds)
    if record.alternatives:
        data["alternatives"] = [[_instance_to_dict(one) for one in other] for other in record.alternatives]
    return data


def _instance_to_dict(instance: InstanceRecord) -> dict[str, Any]:
    data: dict[str, Any] = {"rle": instance.rle, "box_xywh": list(instance.box_xywh)}
    return data | ({"category": instance.category} if instance.category else {})


class _Object:
    """A JSON object whose field names are checked, with the place for messages."""

    def __init__(
        self, data: Any, where: str, place: str, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> None:
        self.where, self.place = where, place
        if not isinstance(data, Mapping):
            at = f", field {place}" if place else ""
            raise RecordError(f"{where}{at}: expected a JSON object, got {shorten(data)}")
        self.data = data
        known = (*required, *optional)
        for name in data:
            if name not in known:
                odd = name_of_key(name)
                near = get_close_matches(odd, known, n=1, cutoff=0.0)[0]
                raise RecordError(f"{where}, field {self.path(odd)}: unknown field; did you mean {near!r}?")
        for name in required:
            if name not in data:
                raise RecordError(f"{where}, field {self.path(name)}: the field is missing")

    def path(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def wrong(self, name: str, expected: str, got: Any) -> RecordError:
        return RecordError(f"{self.where}, field {self.path(name)}: expected {expected}, got {shorten(got)}")

    def get(self, name: str, default: Any = None) -> Any:
        return self.data.get(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.data.get(name, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.wrong(name, "text" if default is not None else "text that is not empty", value)
        try:
            return check_text(value, f"{self.where}, field {self.path(name)}")
        except InputError as error:
            raise RecordError(str(error)) from error

    def items(self, name: str) -> list[Any]:
        value = self.data[name]
        if not isinstance(value, list):
            raise self.wrong(name, "a list", value)
        return value

    def side(self, name: str) -> int:
        value = self.data[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(name, "a positive whole number of pixels", value)
        return value


def _decode(line: bytes, where: str) -> Any:
    if not line.strip():
        raise RecordError(f"{where}: expected a JSON object, got an empty line")
    try:
        return parse_json(line, where, finite=True)
    except InputError as error:
        raise RecordError(str(error)) from error


def _image(image: _Object) -> ImageRef:
    file = image.text("file")
    parts = PurePosixPath(file)
    if parts.is_absolute() or ".." in parts.parts or "\\" in file or file[1:2] == ":":
        raise image.wrong("file", "a path with forward slashes inside the folder of the records", file)
    if not is_path(file):
        expected = f"a path of at most {_LONGEST_PATH} letters without control characters"
        raise image.wrong("file", expected, file)
    height, width = image.side("height"), image.side("width")
    try:
        check_mask_size(height, width, f"{image.where}, field image: [height, width]")
    except InputError as error:
        raise RecordError(str(error)) from error
    return ImageRef(file, height, width)


def is_path(text: str) -> bool:
    """Whether a file could have this name: printable, and no longer than any system allows."""
    return len(text) <= _LONGEST_PATH and text.isprintable()


def _phrase(phrase: _Object, image: ImageRef) -> PhraseRecord:
    items = phrase.items("instances")
    return PhraseRecord(phrase.text("text"), _instances(items, phrase, phrase.path("instances"), image))


def _instances(items: list[Any], parent: _Object, place: str, image: ImageRef) -> tuple[InstanceRecord, ...]:
    fields = ("rle", "box_xywh"), ("category",)
    objects = (_Object(item, parent.where, f"{place}[{n}]", *fields) for n, item in enumerate(items))
    return tuple(_instance(one, image) for one in objects)


def _crowds(top: _Object, image: ImageRef) -> tuple[dict[str, Any], ...]:
    if "crowds" not in top.data:
        return ()
    codes = {f"crowds[{n}]": code for n, code in enumerate(top.items("crowds"))}
    return tuple(_rle(_Object(codes, top.where, "", tuple(codes)), name, image) for name in codes)


def _alternatives(top: _Object, image: ImageRef) -> tuple[tuple[InstanceRecord, ...], ...]:
    if "alternatives" not in top.data:
        return ()
    others = []
    for n, other in enumerate(top.items("alternatives")):
        if not isinstance(other, list):
            raise top.wrong(f"alternatives[{n}]", "a list", other)
        others.append(_instances(other, top, f"alternatives[{n}]", image))
    return tuple(others)


def _instance(instance: _Object, image: ImageRef) -> InstanceRecord:
    return InstanceRecord(_rle(instance, "rle", image), _box(instance, image), instance.text("category", ""))


def _rle(parent: _Object, name: str, image: ImageRef) -> dict[str, Any]:
    """A run-length code of the image's size with at least one pixel."""
    rle = _Object(parent.get(name), parent.where, parent.path(name), ("size", "counts"))
    size = [image.height, image.width]
    if rle.get("size") != size:
        raise rle.wrong("size", f"the image's [height, width] = {size}", rle.get("size"))
    counts = rle.text("counts")
    try:
        area = rle_area({"size": size, "counts": counts})
    except InputError as error:
        raise RecordError(f"{rle.where}, field {rle.path('counts')}: {error}") from error
    if not area:
        raise rle.wrong("counts", "a mask with at least one pixel", counts)
    return {"size": size, "counts": counts}


def _box(instance: _Object, image: ImageRef) -> tuple[float, float, float, float]:
    box = instance.get("box_xywh")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise instance.wrong("box_xywh", "four finite numbers [x, y, width, height]", box)
    x, y, width, height = (float(value) for value in box)
    if width <= 0 or height <= 0:
        raise instance.wrong("box_xywh", "a positive width and height", box)
    right, bottom = image.width + BOX_SLACK, image.height + BOX_SLACK
    if x < -BOX_SLACK or y < -BOX_SLACK or x + width > right or y + height > bottom:
        raise instance.wrong("box_xywh", f"a box inside the {image.width} x {image.height} image", box)
    return x, y, width, height
