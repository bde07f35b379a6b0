"""Hashes of image files, kept in an SQLite file: a file is hashed again when its size or time changes."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from instructsam.data.image_hashes import SmallCopy, small_copy
from instructsam.errors import ImageError
from instructsam.structures.files import file_sha256

_THREADS = 16
_BLOCK = 1024  # files between two writes
_WAIT = 60.0  # seconds for another process that writes
_VERSION = 1  # of the hashes; those of another version are dropped
_COLUMNS = "kind TEXT, path TEXT, size INTEGER, time INTEGER, value BLOB, PRIMARY KEY (kind, path)"
_GET = "SELECT value FROM hashes WHERE kind = ? AND path = ? AND size = ? AND time = ?"


class HashCache:
    """Hashes by file, computed in threads when they are first needed.

    Args:
        path: of the SQLite file; None: hashes are kept in memory.

    Attributes:
        hashed: files that were hashed because the cache did not have them.
        unreadable: files without a hash, and why.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.hashed = 0
        self.unreadable: dict[Path, str] = {}
        self._database = _open(path)

    def __del__(self) -> None:
        self._database.close()

    def sha256(self, files: Iterable[Path]) -> dict[Path, bytes]:
        """SHA-256 of the bytes of each file that exists and can be read."""
        return self._hashes("sha256", files, lambda file: bytes.fromhex(file_sha256(file)))

    def small_copies(self, files: Iterable[Path]) -> dict[Path, SmallCopy]:
        """The small copy of each file that exists and can be read."""
        found = self._hashes("small copy", files, lambda file: small_copy(file).to_bytes())
        return {file: SmallCopy.from_bytes(value) for file, value in found.items()}

    def _hashes(
        self, kind: str, files: Iterable[Path], compute: Callable[[Path], bytes]
    ) -> dict[Path, bytes]:
        found: dict[Path, bytes] = {}
        new: dict[Path, tuple[int, int]] = {}
        for file in dict.fromkeys(files):
            stamp = _stamp(file)
            if stamp is None:
                continue
            row = self._database.execute(_GET, (kind, _name(file), *stamp)).fetchone()
            if row is None:
                new[file] = stamp
            else:
                found[file] = row[0]
        names = list(new)
        self.hashed += len(names)
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for first in range(0, len(names), _BLOCK):
                block = names[first : first + _BLOCK]
                values = pool.map(lambda file: self._computed(file, compute), block)
                done = {file: value for file, value in zip(block, values, strict=True) if value is not None}
                self._store([(kind, _name(file), *new[file], value) for file, value in done.items()])
                found |= done
        return found

    def _computed(self, file: Path, compute: Callable[[Path], bytes]) -> bytes | None:
        try:
            return compute(file)
        except (OSError, ImageError) as error:
            self.unreadable[file] = str(error)
            return None

    def _store(self, rows: list[tuple[object, ...]]) -> None:
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            _warn(self.path, error)


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        try:
            return _prepared(sqlite3.connect(path, timeout=_WAIT))
        except sqlite3.Error as error:
            _warn(path, error)
    return _prepared(sqlite3.connect(":memory:"))


def _prepared(database: sqlite3.Connection) -> sqlite3.Connection:
    with database:
        if database.execute("PRAGMA user_version").fetchone()[0] not in (0, _VERSION):
            database.execute("DROP TABLE IF EXISTS hashes")
        database.execute(f"CREATE TABLE IF NOT EXISTS hashes ({_COLUMNS})")
        database.execute(f"PRAGMA user_version = {_VERSION}")
    return database


def _warn(path: Path | None, error: sqlite3.Error) -> None:
    logging.getLogger(__name__).warning(
        "%s: hashes of images are not kept (%s): make the folder writable, or delete a damaged file",
        path,
        error,
    )


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _name(file: Path) -> str:
    """The absolute path as text that can be stored, whatever bytes it has."""
    return os.fsencode(os.path.abspath(file)).decode("utf-8", errors="backslashreplace")
