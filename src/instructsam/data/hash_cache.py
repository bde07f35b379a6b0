"""Hashes of image files, kept in an SQLite file: a file is hashed again when its size or time changes."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from instructsam.data.image_hashes import SmallCopy, small_copy
from instructsam.errors import ImageError
from instructsam.structures.files import file_sha256

_THREADS = 16
_BLOCK = 1024  # files between two writes
_MANY = 5000  # files that take seconds, which is worth a line in the log
_WAIT = 600.0  # seconds for another process that hashes a block
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
        stamps = {file: stamp for file in dict.fromkeys(files) if (stamp := _stamp(file)) is not None}
        found = self._known(kind, stamps)
        new = [file for file in stamps if file not in found]
        if len(new) >= _MANY:
            logging.getLogger(__name__).warning(
                "comparing images: %d files get a %s, kept in %s", len(new), kind, self.path or "memory"
            )
        with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for first in range(0, len(new), _BLOCK):
                block = {file: stamps[file] for file in new[first : first + _BLOCK]}
                with self._writing():
                    done = self._known(kind, block)  # by another process, meanwhile
                    rest = [file for file in block if file not in done]
                    values = pool.map(lambda file: self._computed(file, compute), rest)
                    made = {
                        file: value for file, value in zip(rest, values, strict=True) if value is not None
                    }
                    self.hashed += len(rest)
                    self._store([(kind, _name(file), *block[file], value) for file, value in made.items()])
                found |= done | made
        return found

    def _known(self, kind: str, stamps: Mapping[Path, tuple[int, int]]) -> dict[Path, bytes]:
        found: dict[Path, bytes] = {}
        for file, stamp in stamps.items():
            row = self._database.execute(_GET, (kind, _name(file), *stamp)).fetchone()
            if row is not None:
                found[file] = row[0]
        return found

    def _computed(self, file: Path, compute: Callable[[Path], bytes]) -> bytes | None:
        try:
            return compute(file)
        except (OSError, ImageError) as error:
            self.unreadable[file] = str(error)
            return None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One process at a time: those of one run share the work instead of repeating it."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            _warn(self.path, error)
        try:
            yield
        finally:
            if self._database.in_transaction:
                self._database.execute("COMMIT")

    def _store(self, rows: list[tuple[object, ...]]) -> None:
        if self._database.in_transaction:
            self._database.executemany("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)", rows)


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        try:
            return _prepared(sqlite3.connect(path, timeout=_WAIT, isolation_level=None))
        except sqlite3.Error as error:
            _warn(path, error)
    return _prepared(sqlite3.connect(":memory:", isolation_level=None))


def _prepared(database: sqlite3.Connection) -> sqlite3.Connection:
    if _version(database) != _VERSION:
        database.execute("BEGIN IMMEDIATE")
        if _version(database) != _VERSION:  # another process may have done it, meanwhile
            database.execute("DROP TABLE IF EXISTS hashes")
            database.execute(f"CREATE TABLE hashes ({_COLUMNS})")
            database.execute(f"PRAGMA user_version = {_VERSION}")
        database.execute("COMMIT")
    return database


def _version(database: sqlite3.Connection) -> object:
    return database.execute("PRAGMA user_version").fetchone()[0]


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
