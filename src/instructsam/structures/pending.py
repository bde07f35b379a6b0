"""Files and folders that are written under a temporary name beside their destination and renamed when complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

from instructsam.errors import InputError
from instructsam.structures.destinations import check_file_destination, prepare_folder
from instructsam.structures.files import finish_tree, reason, sync_folder, umask


class PendingFile:
    """A file that appears at its path on `commit`; an existing file stays as it is until then.

    Args:
        target: the file; its folder is created.
        option: name of the argument or command-line option, for the message.

    Attributes:
        stream: to write to, in binary mode.

    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, target: Path, option: str = "path") -> None:
        self.target = check_file_destination(target, option)
        try:
            descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=self.target.parent)
        except OSError as error:
            raise InputError(f"{option} {target}: cannot be written ({reason(error)})") from error
        self._temporary = Path(name)
        self.stream: IO[bytes] = os.fdopen(descriptor, "wb")

    def commit(self) -> Path:
        """Flush the file to the disk and move it to its path. Raises OSError."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        os.chmod(self._temporary, 0o666 & ~umask())
        os.replace(self._temporary, self.target)
        sync_folder(self.target.parent)
        return self.target

    def discard(self) -> None:
        """Remove the temporary file; does nothing after `commit`."""
        self.stream.close()
        self._temporary.unlink(missing_ok=True)


class PendingFolder:
    """A folder that appears at its path on `commit`, in place of an earlier folder with the same marker file.

    Args:
        target: new, empty, or a folder that holds `marker`.
        marker: a file that this kind of folder always holds; the new one must hold it on `commit`.
        option: name of the argument or command-line option, for the message.

    Attributes:
        path: an empty folder to write into.

    Raises:
        InputError: the target holds other files, or cannot be written.
    """

    def __init__(self, target: Path, marker: str, option: str = "path") -> None:
        self.target = target.absolute()
        base = prepare_folder(self.target.parent, option)
        try:
            names = [path.name for path in target.iterdir()] if os.path.lexists(target) else []
        except OSError as error:
            raise InputError(f"{option} {target}: expected a folder ({reason(error)})") from error
        check_replaceable(str(target), names, marker, option)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=".writing-", dir=base))
        except OSError as error:
            raise InputError(f"{option} {target}: cannot be written ({reason(error)})") from error

    def commit(self) -> Path:
        """Flush all files to the disk and move the folder to its path. Raises OSError."""
        finish_tree(self.path)
        self.path.chmod(0o777 & ~umask())
        if os.path.lexists(self.target):
            old = Path(tempfile.mkdtemp(prefix=".replaced-", dir=self.target.parent))
            os.replace(self.target, old / self.target.name)
            os.replace(self.path, self.target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            os.replace(self.path, self.target)
        sync_folder(self.target.parent)
        return self.target

    def discard(self) -> None:
        """Remove the temporary folder; does nothing after `commit`."""
        shutil.rmtree(self.path, ignore_errors=True)


def check_replaceable(place: str, names: list[str], marker: str, option: str) -> None:
    """Refuse a folder with the user's own files.

    Raises:
        InputError: there are files, and `marker` is not among them.
    """
    if names and marker not in names:
        raise InputError(
            f"{option} {place}: expected a new or empty folder, or one with an earlier export, got one with "
            f"{len(names)} other files or folders: name another folder"
        )
