"""Records of any order, grouped by image on the disk: memory does not grow with their number."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from pydantic import TypeAdapter

from instructsam.data.record import ImageRef, InstanceRecord, Record
from instructsam.data.record_source import check_same_size
from instructsam.data.regions import object_key

_LONGEST_NAME = 4  # words
_NO_NAMES = ("", "object")
_TABLES = """
CREATE TABLE images (number INTEGER PRIMARY KEY, file TEXT UNIQUE, height INTEGER, width INTEGER, record TEXT,
    licence TEXT);
CREATE TABLE objects (image INTEGER, place INTEGER, key BLOB, value TEXT, named INTEGER, PRIMARY KEY (image, key));
CREATE TABLE crowds (image INTEGER, key BLOB, value TEXT, PRIMARY KEY (image, key)) WITHOUT ROWID;
"""
_INSTANCE: TypeAdapter[InstanceRecord] = TypeAdapter(InstanceRecord)


@dataclass(frozen=True)
class SpooledImage:
    """An image with the objects of all records about it.

    Attributes:
        licence: that its records state, "" for none.
        crowds: {"rle", "category"} of regions that are no objects: crowds, and ignored pixels without a category.
    """

    image: ImageRef
    instances: tuple[InstanceRecord, ...]
    licence: str
    crowds: tuple[dict[str, Any], ...]


class Spool:
    """Images in the order of their first records, in a temporary file that goes away when it is closed.

    Args:
        name: of the source, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._database = sqlite3.connect("", isolation_level=None)  # SQLite's own temporary file
        self._database.executescript(_TABLES)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("BEGIN")
        self._last: tuple[str, int, ImageRef, str] | None = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, record: Record) -> None:
        """Add the objects of a record; an object that its image has already is the same one.

        Raises:
            InputError: the record states another size of its image than an earlier one.
        """
        number = self._image(record)
        name = _phrase_as_name(record)
        for phrase in record.phrases:
            for instance in phrase.instances:
                category = instance.category if instance.category not in _NO_NAMES else name
                self._object(number, instance, category, record.image)
        regions = [(code, _category(record) or name) for code in record.crowds]
        for code, category in (*regions, *([] if record.ignore is None else [(record.ignore, "")])):
            value = json.dumps({"rle": code, "category": category})
            insert = "INSERT OR IGNORE INTO crowds VALUES (?, ?, ?)"
            self._database.execute(insert, (number, _key(code["counts"]), value))

    def images(self) -> Iterator[SpooledImage]:
        """All images with their objects."""
        query = "SELECT number, file, height, width, licence FROM images ORDER BY number"
        for number, file, height, width, licence in self._database.execute(query):
            values = self._database.execute(
                "SELECT value FROM objects WHERE image = ? ORDER BY place", (number,)
            )
            crowds = self._database.execute(
                "SELECT value FROM crowds WHERE image = ? ORDER BY key", (number,)
            )
            yield SpooledImage(
                ImageRef(file, height, width),
                tuple(_INSTANCE.validate_json(value) for (value,) in values),
                licence,
                tuple(json.loads(value) for (value,) in crowds),
            )

    def _image(self, record: Record) -> int:
        file = record.image.file
        if self._last is None or self._last[0] != file:
            self._last = self._find(file) or self._new(record)
        _, number, first, record_id = self._last
        check_same_size(self.name, record, first, record_id)
        return number

    def _find(self, file: str) -> tuple[str, int, ImageRef, str] | None:
        query = "SELECT number, height, width, record FROM images WHERE file = ?"
        row = self._database.execute(query, (file,)).fetchone()
        return None if row is None else (file, row[0], ImageRef(file, row[1], row[2]), row[3])

    def _new(self, record: Record) -> tuple[str, int, ImageRef, str]:
        image = record.image
        values = (image.file, image.height, image.width, record.id, _licence(record))
        insert = "INSERT INTO images (file, height, width, record, licence) VALUES (?, ?, ?, ?, ?)"
        number = self._database.execute(insert, values).lastrowid
        return image.file, int(number or 0), image, record.id

    def _object(self, image: int, instance: InstanceRecord, category: str, ref: ImageRef) -> None:
        """The first category of an object counts."""
        named = InstanceRecord(instance.rle, instance.box_xywh, category, instance.point_xy)
        value = _INSTANCE.dump_json(named, exclude_none=True).decode()
        self._database.execute(
            "INSERT INTO objects VALUES (?, (SELECT count(*) FROM objects WHERE image = ?), ?, ?, ?) "
            "ON CONFLICT (image, key) DO UPDATE SET value = excluded.value, named = 1 "
            "WHERE excluded.named AND NOT named",
            (image, image, _key("\0".join(object_key(instance, ref))), value, bool(category)),
        )


def _key(text: object) -> bytes:
    return hashlib.blake2b(str(text).encode(), digest_size=16).digest()


def _phrase_as_name(record: Record) -> str:
    """The instruction where it is a noun phrase itself, as in SA-Co; "" for longer texts and several phrases."""
    text = record.phrases[0].text
    is_name = len(record.phrases) == 1 and text == record.instruction and len(text.split()) <= _LONGEST_NAME
    return text if is_name else ""


def _category(record: Record) -> str:
    """The category that all objects of a record have, "" where they differ."""
    found = {instance.category for phrase in record.phrases for instance in phrase.instances}
    return found.pop() if len(found) == 1 else ""


def _licence(record: Record) -> str:
    """The licence in records that the engine wrote."""
    engine = record.meta.get("engine")
    licence = engine.get("licence") if isinstance(engine, dict) else None
    return licence if isinstance(licence, str) else ""
