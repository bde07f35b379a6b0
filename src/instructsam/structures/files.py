"""Atomic writing of files.

Every package that writes uses these functions, so that a killed process or a full disk never leaves a partial file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from instructsam.errors import InputError

_BLOCK = 1 << 20  # bytes
UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}


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
        usual_permissions(Path(temporary))
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
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def usual_permissions(path: Path) -> None:
    """Give a file the permissions that the umask leaves; temporary files, and safetensors', are the owner's alone."""
    path.chmod(0o666 & ~umask())


def sync_file(path: Path) -> None:
    """Flush a closed file to the disk."""
    with path.open("r+b") as stream:
        os.fsync(stream.fileno())


def finish_tree(folder: Path) -> None:
    """Give the new files of a folder and of its subfolders the usual permissions, and flush all of it to the disk.

    Links to other files are left alone: those files are there, and may be read-only.
    """
    for path in filter(Path.is_file, folder.rglob("*")):
        if not path.is_symlink() and path.stat().st_nlink == 1:
            usual_permissions(path)
            sync_file(path)
    sync_folder(folder)


def write_all(stream: IO[bytes], content: bytes) -> None:
    """Write all bytes to an unbuffered stream, which may accept only some at a time.

    Raises:
        OSError: the disk is full, say; a part may be written.
    """
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[stream.write(remaining) :]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content in hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def reason(error: Exception) -> str:
    """Why an operation on a file failed, in a few words."""
    return str(getattr(error, "strerror", None) or error)


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
