"""One writer per folder, through an advisory lock on a file in it."""

from __future__ import annotations

import os
import shlex
import socket
import sys
import warnings
from pathlib import Path
from types import TracebackType

from instructsam.errors import InputError
from instructsam.structures.files import UNSUPPORTED, reason
from instructsam.structures.secrets import redact_urls

_LOCK_FILE = ".instructsam.lock"
_held: set[str] = set()  # record locks do not exclude a second lock of the same process: this does


class FolderLock:
    """One writer for a folder: a context manager that holds an advisory lock on a file in it.

    The operating system releases the lock when the process ends, so there are no stale locks. Child processes do not
    inherit it. On a file system without locks there is a warning and no lock.

    Args:
        folder: an existing folder.
        name: of the file; locks with other names do not exclude each other.

    Raises:
        InputError: another process, or this one, is writing there; the message names it.
    """

    def __init__(self, folder: Path, name: str = _LOCK_FILE) -> None:
        self.path = folder / name
        self._key = os.path.realpath(self.path)
        self._descriptor: int | None = None

    def __enter__(self) -> FolderLock:
        if self._key in _held:
            raise InputError(
                f"{self.path.parent}: this process is already writing there; choose another folder"
            )
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({reason(error)})") from error
        try:
            _lock(descriptor)
        except OSError as error:
            owner = _owner(descriptor)
            os.close(descriptor)
            if error.errno in UNSUPPORTED:
                message = f"{self.path.parent}: no locks on this file system; run one writer at a time"
                warnings.warn(message, stacklevel=2)
                return self
            raise InputError(
                f"{self.path.parent}: another process is writing there ({owner}); wait for it, stop it or choose "
                "another folder"
            ) from error
        self._descriptor = descriptor
        _held.add(self._key)
        line = f"process {os.getpid()} on {socket.gethostname()}: {redact_urls(shlex.join(sys.argv[:6]))}\n"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, line.encode("utf-8", errors="replace"), 0) if sys.platform != "win32" else None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)  # releases the lock
            self._descriptor = None
            _held.discard(self._key)


def _owner(descriptor: int) -> str:
    text = os.read(descriptor, 300).decode("utf-8", errors="replace")
    line = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return line or "unknown process"


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
