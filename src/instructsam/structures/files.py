"""Atomic writing of files and folders.

Every package that writes uses these functions, so that a killed process or a full disk never leaves a partial file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shlex
import shutil
import socket
import sys
import tempfile
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from instructsam.errors import InputError
from instructsam.structures.secrets import redact_urls

MAX_NAME_BYTES = 255  # of one path component, on every common file system
_SYSTEM_NAMES = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"}  # lower case
_BLOCK = 1 << 20  # bytes
_LOCK_FILE = ".instructsam.lock"
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}
_held: set[str] = set()  # record locks do not exclude a second lock of the same process: this does


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically: after a crash it holds the old content or the new one.

    Raises:
        InputError: the file cannot be written.
    """
    # A lone surrogate (a file name that is not UTF-8) is written as the escape \\udcff instead of failing.
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document atomically.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(path, json.dumps(document, indent=2) + "\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically and flush it to the disk; see `write_text`."""
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~umask())
        os.replace(temporary, path)
        temporary = None
        sync_folder(path.parent)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written ({reason(error)})") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk (after a rename); does nothing on systems without this."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def prepare_folder(folder: Path, option: str = "--out") -> Path:
    """Create a folder and check that it is writable, before anything slow starts.

    Args:
        folder: the destination.
        option: name of the command-line option or argument, for the message.

    Raises:
        InputError: the folder cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"x")
            probe.flush()
    except (OSError, ValueError) as error:
        cause = "a file has this name" if isinstance(error, FileExistsError) else reason(error)
        message = f"{option} {folder}: cannot write there ({cause}): choose another folder"
        raise InputError(message.strip()) from error
    return folder


def check_folder_destination(folder: Path, option: str = "--out") -> None:
    """Check that a folder can be created and written, as `prepare_folder` does, without creating it.

    Raises:
        InputError: a file has this name or that of a parent folder, or the folder is not writable.
    """
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    prepare_folder(existing, option)


def check_file_destination(path: Path, option: str = "--out") -> Path:
    """Check that a file can be written at `path`, before anything slow starts; its folder is created.

    Raises:
        InputError: a folder has this name, or its folder cannot be created or written to.
    """
    try:
        is_folder = path.is_dir()
    except (OSError, ValueError) as error:
        raise InputError(f"{option} {path}: cannot write there ({reason(error)})") from error
    if is_folder:
        raise InputError(
            f"{option} {path}: expected a file name, got an existing folder: choose another name"
        )
    prepare_folder(path.parent, option)
    return path


def check_new_folder(folder: Path, option: str = "OUT") -> Path:
    """Check that a folder of this name can be created, before anything slow starts; only its parents are created.

    Raises:
        InputError: the name is taken or invalid, or the folder cannot be created.
    """
    try:
        taken = os.path.lexists(folder)
        if not taken:
            prepare_folder(folder.parent, option)
            folder.mkdir()
            folder.rmdir()
    except (OSError, ValueError) as error:
        message = f"{option} {folder}: cannot be written ({reason(error)}): choose another name"
        raise InputError(message.strip()) from error
    if taken:
        raise InputError(f"{option} {folder} exists already: name a new folder".strip())
    return folder


@contextmanager
def whole_folder(folder: Path, option: str = "OUT", stale: Sequence[str] = ()) -> Iterator[Path]:
    """Write the files of a folder, all or none: after an error the earlier content is unchanged.

    Args:
        folder: new, or a folder whose files of the same names are replaced.
        option: name of the command-line option or argument, for the message.
        stale: patterns of older files, such as "model-*.safetensors", that are removed unless written again.

    Yields:
        An empty folder to write into; its files are moved when the block ends.

    Raises:
        InputError: the folder cannot be written, or a file has its name.
    """
    new = not os.path.lexists(folder)
    base = check_new_folder(folder, option).parent if new else prepare_folder(folder, option)
    temporary: Path | None = None
    try:
        temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=base))
        yield temporary
        written = sorted(temporary.iterdir())
        for path in filter(Path.is_file, written):
            with path.open("r+b") as stream:
                os.fsync(stream.fileno())
        sync_folder(temporary)
        if new:
            temporary.chmod(0o777 & ~umask())
            os.replace(temporary, folder)
        else:
            names = {path.name for path in written}
            for path in written:
                os.replace(path, folder / path.name)
            for path in [found for pattern in stale for found in folder.glob(pattern)]:
                if path.name not in names:
                    path.unlink()
        sync_folder(base)
    except OSError as error:
        raise InputError(f"{option} {folder}: cannot be written ({reason(error)})".strip()) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def reason(error: Exception) -> str:
    """Why an operation on a file failed, in a few words."""
    return str(getattr(error, "strerror", None) or error)


def safe_file_name(stem: str, suffix: str) -> str:
    """`stem + suffix` as one path component that is valid on every file system.

    Separators, control characters and bytes that are not UTF-8 become `_`; a name of more than 255 bytes is cut and
    ends in a hash of the whole, so that two long names stay different.
    """
    clean = "".join(
        letter if letter.isprintable() and letter not in '/\\:*?"<>|' and not is_surrogate(letter) else "_"
        for letter in stem
    )
    name = clean + suffix
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = "-" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:12]
    room = MAX_NAME_BYTES - len((digest + suffix).encode())
    return clean.encode()[:room].decode("utf-8", errors="ignore") + digest + suffix


def is_surrogate(letter: str) -> bool:
    """Whether a character is a surrogate, which no encoding can write."""
    return "\ud800" <= letter <= "\udfff"


def is_system_file(name: str) -> bool:
    """Whether this is a file or folder that an operating system creates by itself.

    `._photo.jpg` and other hidden names, the `__MACOSX` folder of archives, `Thumbs.db`, `desktop.ini`.
    """
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def find_file(folder: Path, relative: str) -> Path:
    """The file that a list names, also when its name is normalised differently on the disk (NFC, NFD on macOS).

    Args:
        folder: to which the list's paths are relative.
        relative: path in the list, forward slashes.

    Returns:
        The path as it is on the disk; without such a file, the path in the list.
    """
    exact = folder / relative
    if relative.isascii() or _exists(exact):
        return exact
    found = folder
    for part in relative.split("/"):
        forms = (part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part))
        candidates = [found / form for form in forms if _exists(found / form)]
        if not candidates:
            return exact
        found = candidates[0]
    return found


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


class FolderLock:
    """One writer for a folder: a context manager that holds an advisory lock on a file in it.

    The operating system releases the lock when the process ends, so there are no stale locks. Child processes do not
    inherit it. On a file system without locks there is a warning and no lock.

    Raises:
        InputError: another process, or this one, is writing there; the message names it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _LOCK_FILE
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
            if error.errno in _UNSUPPORTED:
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


def umask() -> int:
    """The umask of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def end_of_last_line(path: Path) -> int:
    """Size in bytes up to and including the last line break, without a last line that was cut off."""
    with path.open("rb") as stream:
        end = stream.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _BLOCK)
            stream.seek(start)
            found = stream.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
