"""The folder of an export: it appears whole or not at all, and replaces nothing but an earlier export."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instructsam.engine.ledger.folders import is_url, local_path, open_file_system
from instructsam.errors import InputError, first_line
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import reason, sync_folder, sync_tree, umask

MANIFEST = "export.json"
"""The file that says that a folder is an export; on object stores it is written last."""
_BLOCK = 256  # files that are uploaded together


@contextmanager
def export_folder(destination: str | Path, scratch: Path) -> Iterator[Path]:
    """Write an export, all or nothing.

    Args:
        destination: folder, or URL of fsspec; new, empty, or with an earlier export.
        scratch: existing folder for the files until they are uploaded to a URL.

    Yields:
        An empty folder to write into, which must hold `MANIFEST` in the end.

    Raises:
        InputError: the destination holds something else, or cannot be written.
    """
    if is_url(destination):
        store = _Store(str(destination))
        store.check()
        base = scratch
    else:
        store, target = None, local_path(destination)
        base = prepare_folder(target.absolute().parent, "write.folder")
        _check_local(target)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=base))
    try:
        yield temporary
        if store is not None:
            store.upload(temporary)
        else:
            sync_tree(temporary)
            temporary.chmod(0o777 & ~umask())
            _swap(temporary, target)
    except OSError as error:
        raise InputError(f"{destination}: the export cannot be written ({reason(error)})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_local(target: Path) -> None:
    try:
        names = [path.name for path in target.iterdir()] if os.path.lexists(target) else []
    except OSError as error:
        raise InputError(f"write.folder {target}: expected a folder ({reason(error)})") from error
    _check_replaceable(str(target), names)


def _check_replaceable(place: str, names: Sequence[str]) -> None:
    if names and MANIFEST not in names:
        raise InputError(
            f"write.folder {place}: expected a new or empty folder, or one with an earlier export, got one with "
            f"{len(names)} other files or folders: name another folder"
        )


def _swap(temporary: Path, target: Path) -> None:
    """Put the new folder in the place of the old one."""
    if not os.path.lexists(target):
        os.replace(temporary, target)
    else:
        old = Path(tempfile.mkdtemp(prefix=".replaced-", dir=target.absolute().parent))
        os.replace(target, old / target.name)
        os.replace(temporary, target)
        shutil.rmtree(old, ignore_errors=True)
    sync_folder(target.absolute().parent)


class _Store:
    """A folder in an object store."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.system, self.root = open_file_system(self.url)

    def check(self) -> None:
        """Refuse a folder with other files."""
        _check_replaceable(self.url, self._names())

    def upload(self, folder: Path) -> None:
        """Upload all files, the manifest last; without it an export that was cut off is not one."""
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        before = self._names()
        try:
            if MANIFEST in before:
                self.system.rm_file(f"{self.root}/{MANIFEST}")
            self.system.makedirs(self.root, exist_ok=True)
            rest = [name for name in files if name != MANIFEST]
            for first in range(0, len(rest), _BLOCK):
                self._put(folder, rest[first : first + _BLOCK])
            stale = sorted(set(before) - set(files) - {MANIFEST})
            if stale:
                self.system.rm([f"{self.root}/{name}" for name in stale])
            self._put(folder, [MANIFEST])
        except OSError as error:
            raise InputError(f"{self.url}: the export cannot be written ({first_line(error)})") from error

    def _put(self, folder: Path, names: Sequence[str]) -> None:
        paths: Any = [f"{self.root}/{name}" for name in names]
        for parent in sorted({path.rpartition("/")[0] for path in paths}):
            self.system.makedirs(parent, exist_ok=True)
        self.system.put([str(folder / name) for name in names], paths)

    def _names(self) -> list[str]:
        self.system.invalidate_cache()
        try:
            found = self.system.find(self.root)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self.url}: cannot be listed ({first_line(error)})") from error
        return [str(path)[len(self.root) + 1 :] for path in found]
