"""Writers of segments: the files of a ledger, each written by one process."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Protocol

from instructsam.engine.ledger.folders import SUFFIX, RemoteFolder, is_url, local_path
from instructsam.errors import InputError
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import end_of_last_line, reason, sync_folder
from instructsam.structures.locks import FolderLock

_SYNC_SECONDS = 1.0
_BLOCK_SECONDS = 30.0
_BLOCK_LINES = 2000
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SegmentWriter(Protocol):
    """Appends lines to the segments of one process; not thread-safe.

    Attributes:
        notes: repairs made on opening.
    """

    notes: tuple[str, ...]

    def append(self, line: bytes) -> tuple[str, int]:
        """Write a line; returns the name of its segment and its offset there."""
        ...

    def flush(self, force: bool = False) -> bool:
        """Make the lines permanent, at most once in a while unless forced; returns whether others can read them."""
        ...

    def close(self) -> None:
        """Make the lines permanent and release the segment."""
        ...


class LocalSegment:
    """A local file, to which every line is appended by one write: a killed process loses no complete line.

    Raises:
        InputError: another process writes to this segment, or the file cannot be written.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = _checked(name)
        self.path = folder / f"{name}{SUFFIX}"
        self.notes: tuple[str, ...] = ()
        prepare_folder(folder, "ledger")
        self._lock = FolderLock(folder, f".{name}.lock")
        self._lock.__enter__()
        try:
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            self._end = end_of_last_line(self.path)
            if self._end < os.fstat(self._descriptor).st_size:
                os.ftruncate(self._descriptor, self._end)
                self.notes = (
                    f"{self.path}: the last line was incomplete and is dropped; its task is performed again",
                )
            sync_folder(folder)
        except OSError as error:
            self._lock.__exit__(None, None, None)
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from error
        self._synced = time.monotonic()

    def append(self, line: bytes) -> tuple[str, int]:
        """Write a line; returns the name of the segment and the line's offset.

        Raises:
            InputError: the disk is full, say; the earlier lines stay intact.
        """
        offset = self._end
        try:
            written = os.write(self._descriptor, line)
            problem = "no space left" if written < len(line) else ""
        except OSError as error:
            problem = reason(error)
        if problem:
            os.ftruncate(self._descriptor, offset)
            raise InputError(
                f"{self.path}: cannot be written ({problem}); the earlier parts stay valid: make room, then repeat the "
                "command to resume"
            )
        self._end = offset + len(line)
        return self.name, offset

    def flush(self, force: bool = False) -> bool:
        """Flush to the disk, at most once a second unless forced."""
        if force or time.monotonic() - self._synced >= _SYNC_SECONDS:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                raise InputError(f"{self.path}: cannot be written ({reason(error)})") from error
            self._synced = time.monotonic()
        return True

    def close(self) -> None:
        """Flush to the disk and release the lock."""
        try:
            self.flush(force=True)
        finally:
            os.close(self._descriptor)
            self._lock.__exit__(None, None, None)


class RemoteSegment:
    """Objects NAME.000001.jsonl, ... of a store without append, each written whole.

    A killed process loses the lines since the last object; their tasks are performed again. There are no locks in
    object stores: the caller chooses a name that no other process uses.
    """

    def __init__(self, folder: RemoteFolder, name: str) -> None:
        self.name = _checked(name)
        self.notes: tuple[str, ...] = ()
        self._folder = folder
        used = (existing.partition(".") for existing in folder.sizes())
        self._number = 1 + max((int(n) for owner, _, n in used if owner == name and n.isdigit()), default=0)
        self._lines: list[bytes] = []
        self._end = 0
        self._written = time.monotonic()

    def append(self, line: bytes) -> tuple[str, int]:
        """Keep a line for the next object; returns the object's name and the line's offset."""
        offset = self._end
        self._lines.append(line)
        self._end += len(line)
        return f"{self.name}.{self._number:06d}", offset

    def flush(self, force: bool = False) -> bool:
        """Write the next object: of 2,000 lines or 30 seconds, unless forced."""
        if not self._lines:
            return True
        due = time.monotonic() - self._written >= _BLOCK_SECONDS or len(self._lines) >= _BLOCK_LINES
        if not (due or force):
            return False
        self._folder.write(f"{self.name}.{self._number:06d}", b"".join(self._lines))
        self._number += 1
        self._lines, self._end = [], 0
        self._written = time.monotonic()
        return True

    def close(self) -> None:
        """Write the last object."""
        self.flush(force=True)


def open_segment(folder: str | Path, name: str) -> SegmentWriter:
    """A new or existing segment in a folder or at a URL.

    Raises:
        InputError: another process writes to it, the name is invalid, or it cannot be written.
    """
    if is_url(folder):
        return RemoteSegment(RemoteFolder(str(folder)), name)
    return LocalSegment(local_path(folder), name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"a segment's name must be letters, digits, - and _, at most 64 of them, got {name!r:.80}"
        )
    return name
