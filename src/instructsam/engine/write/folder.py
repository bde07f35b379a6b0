"""The folder of an export: it appears whole or not at all, and replaces nothing but an earlier export."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instructsam.engine.ledger.folders import is_url, local_path, open_file_system
from instructsam.errors import InputError, first_line
from instructsam.structures.files import reason
from instructsam.structures.pending import PendingFolder, check_replaceable

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
    if not is_url(destination):
        pending = PendingFolder(local_path(destination), MANIFEST, "write.folder")
        try:
            yield pending.path
            pending.commit()
        except OSError as error:
            raise _unwritten(destination, error) from error
        finally:
            pending.discard()
        return
    store = _Store(str(destination))
    store.check()
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=scratch))
    try:
        yield temporary
        store.upload(temporary)
    except OSError as error:
        raise _unwritten(destination, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unwritten(destination: str | Path, error: OSError) -> InputError:
    return InputError(f"{destination}: the export cannot be written ({reason(error)})")


class _Store:
    """A folder in an object store."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.system, self.root = open_file_system(self.url)

    def check(self) -> None:
        """Refuse a folder with other files."""
        check_replaceable(self.url, self._names(), MANIFEST, "write.folder")

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
