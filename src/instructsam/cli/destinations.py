"""Checks of an output folder, before a model is loaded."""

from __future__ import annotations

from pathlib import Path

from instructsam.structures.destinations import check_file_destination
from instructsam.structures.locks import FolderLock


def check_run_folder(out: Path | None, *names: str, alone: bool = True) -> None:
    """Check that the files of a run can be written in a folder, which is created; does nothing for None.

    Args:
        out: `--out`.
        names: file names.
        alone: whether to check that no other process is writing there; False in all but the first process of a run.

    Raises:
        InputError: a file cannot be written, or another process is writing there.
    """
    if out is None:
        return
    for name in names:
        check_file_destination(out / name)
    if alone:
        with FolderLock(out):
            pass
