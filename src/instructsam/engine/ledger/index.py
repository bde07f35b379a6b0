"""The index of a ledger: where the part of a key stands. A cache in SQLite, which can be rebuilt from the segments.

Several processes may use one index at a time. Transactions are short, and reading is done in pages, so that none waits
long for another. The rollback journal, unlike the write-ahead log, also works on network file systems with locks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from instructsam.engine.ledger.lines import check_key
from instructsam.errors import InputError

VERSION = 1
PAGE = 1000  # entries that are read at a time
_WAIT = 60.0  # seconds for the transaction of another process
_CACHE = 16_000  # KiB

_TABLES = (
    "CREATE TABLE segments (id INTEGER PRIMARY KEY, name TEXT UNIQUE, end INTEGER, lines INTEGER)",
    "CREATE TABLE parts (segment INTEGER, offset INTEGER, length INTEGER, stage TEXT, row TEXT, key BLOB UNIQUE, "
    "PRIMARY KEY (segment, offset)) WITHOUT ROWID",
    "CREATE INDEX by_row ON parts (row)",
)
# Of equal keys the first in the order of segments and lines stays, however the index came about.
_INSERT = """
INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
SET segment = excluded.segment, offset = excluded.offset, length = excluded.length
WHERE (SELECT name FROM segments WHERE id = excluded.segment) < (SELECT name FROM segments WHERE id = parts.segment)
"""


class Entry(NamedTuple):
    """The place of a part: `length` bytes from `offset` in a segment."""

    key: str
    segment: str
    offset: int
    length: int
    stage: str
    row: str


class Extent(NamedTuple):
    """The indexed start of a segment, in bytes and lines."""

    end: int = 0
    lines: int = 0


class Index:
    """The index in a file; not thread-safe.

    Args:
        path: of the file, which is created. One of another version, or that is no index, is replaced.

    Raises:
        InputError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = _connect(path)
        except sqlite3.OperationalError as error:
            raise InputError(f"{path}: cannot be opened ({error}): choose a writable folder") from error
        except sqlite3.DatabaseError:  # the file is no index
            path.unlink()
            self._connection = _connect(path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def has(self, key: str) -> bool:
        """Whether the part of this key is indexed."""
        return bool(self._fetch("SELECT 1 FROM parts WHERE key = ?", check_key(key)))

    def entry(self, key: str) -> Entry | None:
        """The place of the part of this key, if it is indexed."""
        found = self._entries("parts.key = ?", check_key(key))
        return found[0] if found else None

    def of_row(self, row: str) -> list[Entry]:
        """The places of all parts of a row, in the order of segments and lines."""
        return sorted(self._entries("parts.row = ?", row), key=lambda entry: entry[1:3])

    def last(self, segment: str) -> Entry | None:
        """The last part of a segment."""
        found = self._entries("segments.name = ? ORDER BY offset DESC LIMIT 1", segment)
        return found[0] if found else None

    def of_segment(self, segment: str, stage: str | None, after: int) -> list[Entry]:
        """A page of the parts of a segment, of one stage or of all, in the order of lines.

        Args:
            segment: its name.
            stage: None for all.
            after: the offset of the part before the page; -1 for the first page.
        """
        condition = "segments.name = ? AND offset > ? AND (? IS NULL OR stage = ?) ORDER BY offset LIMIT ?"
        return self._entries(condition, segment, after, stage, stage, PAGE)

    def extents(self) -> dict[str, Extent]:
        """The indexed segments by name."""
        rows = self._fetch("SELECT name, end, lines FROM segments")
        return {name: Extent(end, lines) for name, end, lines in rows}

    def stages(self) -> dict[str, int]:
        """The number of parts by stage, in the order of names."""
        return dict(self._fetch("SELECT stage, COUNT(*) FROM parts GROUP BY stage ORDER BY stage"))

    def count(self) -> int:
        """The number of parts."""
        return int(self._fetch("SELECT COUNT(*) FROM parts")[0][0])

    def add(self, segment: str, start: Extent, end: Extent, entries: Sequence[Entry]) -> bool:
        """Index the lines of a segment between two places.

        Returns:
            Whether the index ended at `start`; if not, nothing is changed.
        """
        with self._transaction():
            found = self._connection.execute(
                "SELECT id, end, lines FROM segments WHERE name = ?", (segment,)
            ).fetchone()
            if found is None:
                cursor = self._connection.execute(
                    "INSERT INTO segments (name, end, lines) VALUES (?, 0, 0)", (segment,)
                )
                found = (cursor.lastrowid, 0, 0)
            if (found[1], found[2]) != start:
                return False
            self._connection.executemany(
                _INSERT,
                [(found[0], e.offset, e.length, e.stage, e.row, bytes.fromhex(e.key)) for e in entries],
            )
            self._connection.execute("UPDATE segments SET end = ?, lines = ? WHERE id = ?", (*end, found[0]))
        return True

    def clear(self) -> None:
        """Forget everything."""
        with self._transaction():
            self._connection.execute("DELETE FROM parts")
            self._connection.execute("DELETE FROM segments")

    def _entries(self, condition: str, *values: object) -> list[Entry]:
        query = (
            "SELECT lower(hex(key)), name, offset, length, stage, row FROM parts "
            f"JOIN segments ON segments.id = parts.segment WHERE {condition}"
        )
        return [Entry(*row) for row in self._fetch(query, *values)]

    def _fetch(self, query: str, *values: object) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with _transaction(self._connection):
                yield
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.DatabaseError) -> InputError:
        return InputError(
            f"{self.path}: the index cannot be used ({error}): stop all runs of this folder, remove the file and "
            "repeat the command, which rebuilds it"
        )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        connection.execute("PRAGMA synchronous = NORMAL")
        with _transaction(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                connection.execute("DROP TABLE IF EXISTS parts")
                connection.execute("DROP TABLE IF EXISTS segments")
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    with connection:  # commits, or rolls back after an exception
        yield
