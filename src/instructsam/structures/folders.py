"""Atomic writing of folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from instructsam.errors import InputError
from instructsam.structures.destinations import check_new_folder, prepare_folder
from instructsam.structures.files import finish_tree, reason, sync_folder, umask


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
        finish_tree(temporary)
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
