"""The folder of a run, checked before a model is loaded."""

from __future__ import annotations

from pathlib import Path

from instructsam.structures.files import FolderLock, check_file_destination


def check_run_folder(out: Path | None, *names: str, alone: bool = True) -> None:
    """Check that the files of a run can be written in a folder, which is created; nothing without a folder.

    Args:
        out: `--out`.
        names: of the files.
        alone: whether no other process may be writing there; False in all but one of several processes of a run.

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
