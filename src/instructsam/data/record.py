"""One Inst2Seg line: an image, an instruction, and the instances of each phrase. See docs/inst2seg.md.

Parsing is strict: the first error is reported with its file, line and field. pydantic checks fields and types of a line
as it parses the JSON; masks, boxes and sizes are checked against each other afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from instructsam.data.record_fields import (
    Box,
    Point,
    Rle,
    Side,
    Text,
    Word,
    check_box,
    check_image,
    check_point,
    check_rle,
    wrong,
)
from instructsam.errors import InputError, RecordError
from instructsam.structures.checks import check_path, check_text, parse_json, shorten
from instructsam.structures.files import reason
from instructsam.structures.validation import Expected, first_fault

Known = Literal["mask", "box", "point"]
_forbid = with_config(ConfigDict(extra="forbid", allow_inf_nan=False))


@_forbid
@dataclass(frozen=True)
class ImageRef:
    """An image file, relative to the folder of the records, and its upright size in pixels."""

    file: Text
    height: Side
    width: Side


@_forbid
@dataclass(frozen=True)
class InstanceRecord:
    """One object: its mask, or else its box, or else one of its points; at least one of them is known.

    Attributes:
        rle: COCO run-length code of the mask, at image size.
        box_xywh: in pixels.
        category: what the object is, "" if unknown.
        point_xy: a point on the object, in pixels.
    """

    rle: Rle | None = None
    box_xywh: Box | None = None
    category: Word = ""
    point_xy: Point | None = None

    @property
    def known(self) -> Known:
        """The most precise of what is known."""
        if self.rle is not None:
            return "mask"
        return "point" if self.box_xywh is None else "box"


@_forbid
@dataclass(frozen=True)
class PhraseRecord:
    """A noun phrase and its instances; no instances means no target."""

    text: Text
    instances: Annotated[tuple[InstanceRecord, ...], Expected("a list")]


@_forbid
@dataclass(frozen=True)
class Record:
    """One instruction about one image.

    Attributes:
        meta: whatever the record's maker wants to keep.
        ignore: COCO run-length code of the pixels that no score counts; None: every pixel counts.
        crowds: COCO run-length codes of crowd regions, which are no targets (see docs/metrics.md).
        alternatives: instances of all phrases according to other annotators; only cgF1 uses them.
    """

    id: Text
    image: ImageRef
    instruction: Text
    phrases: Annotated[tuple[PhraseRecord, ...], Expected("a list")]
    family: Word = ""
    meta: Annotated[dict[str, Any], Expected("an object")] = field(default_factory=dict)
    ignore: Rle | None = None
    crowds: Annotated[tuple[Rle, ...], Expected("a list")] = ()
    alternatives: Annotated[
        tuple[Annotated[tuple[InstanceRecord, ...], Expected("a list")], ...], Expected("a list")
    ] = ()


_RECORD = TypeAdapter(Record)


def parse_record(obj: Any, where: str) -> Record:
    """A decoded JSON object as a record.

    Args:
        where: what messages start with, such as "val.jsonl, line 3".

    Raises:
        RecordError: naming `where` and the field.
    """
    try:
        record = _RECORD.validate_python(obj)
    except ValidationError as error:
        raise RecordError(_message(error, obj, where)) from error
    _check(record, where)
    return record


def _parse_line(line: bytes, where: str) -> Record:
    try:
        record = _RECORD.validate_json(line)
        if record.meta:
            json.dumps(record.meta, allow_nan=False)
    except ValueError:  # the slower way finds the place; it also accepts lone surrogates in `meta`
        return parse_record(_decode(line, where), where)
    _check(record, where)
    return record


def _message(error: ValidationError, obj: Any, where: str) -> str:
    fault = first_fault(error, Record, obj)
    at = f"{where}, field {fault.place}" if fault.place else where
    if fault.kind == "unknown":
        return f"{at}: unknown field; {fault.text}"
    if fault.kind == "missing":
        return f"{at}: the field is missing"
    if isinstance(fault.value, str):
        try:
            check_text(fault.value, at)
        except InputError as problem:
            return str(problem)
    return f"{at}: expected {fault.text}, got {shorten(fault.value)}"


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
                record = _parse_line(line, where)
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
    """Write records as JSONL and return their number; each is checked as in reading.

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
    """One line of JSON; only `meta`, which holds any object, can fail here."""
    try:
        line = json.dumps(data, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise RecordError(f"{where}, field meta: expected JSON values, got others ({error})") from error
    # A lone surrogate cannot be encoded as UTF-8: JSON's escape keeps it.
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
            {"text": phrase.text, "instances": [_instance_to_dict(instance) for instance in phrase.instances]}
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
        data["alternatives"] = [
            [_instance_to_dict(instance) for instance in other] for other in record.alternatives
        ]
    return data


def _instance_to_dict(instance: InstanceRecord) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if instance.rle is not None:
        data["rle"] = instance.rle
    if instance.box_xywh is not None:
        data["box_xywh"] = list(instance.box_xywh)
    if instance.point_xy is not None:
        data["point_xy"] = list(instance.point_xy)
    if instance.category:
        data["category"] = instance.category
    return data


def _decode(line: bytes, where: str) -> Any:
    if not line.strip():
        raise RecordError(f"{where}: expected a JSON object, got an empty line")
    try:
        return parse_json(line, where, finite=True)
    except InputError as error:
        raise RecordError(str(error)) from error


def _check(record: Record, where: str) -> None:
    """Path, size, masks and boxes of a record whose fields have the right types."""
    image = record.image
    check_image(image.file, image.height, image.width, where)
    if not record.phrases:
        raise wrong(where, ("phrases",), "at least one phrase", [])
    for number, phrase in enumerate(record.phrases):
        _check_instances(phrase.instances, image, where, ("phrases", number, "instances"))
    for number, other in enumerate(record.alternatives):
        _check_instances(other, image, where, ("alternatives", number))
    for number, crowd in enumerate(record.crowds):
        check_rle(crowd, (image.height, image.width), where, ("crowds", number))
    if record.ignore is not None:
        check_rle(record.ignore, (image.height, image.width), where, ("ignore",))


def _check_instances(
    instances: tuple[InstanceRecord, ...], image: ImageRef, where: str, place: tuple[str | int, ...]
) -> None:
    size = (image.height, image.width)
    for number, instance in enumerate(instances):
        if instance.rle is None and instance.box_xywh is None and instance.point_xy is None:
            found = _instance_to_dict(instance)
            raise wrong(where, (*place, number), "at least one of rle, box_xywh and point_xy", found)
        if instance.rle is not None:
            check_rle(instance.rle, size, where, (*place, number, "rle"))
        if instance.box_xywh is not None:
            check_box(instance.box_xywh, size, where, (*place, number, "box_xywh"))
        if instance.point_xy is not None:
            check_point(instance.point_xy, size, where, (*place, number, "point_xy"))
