"""Checks that files and folders can be written, before anything slow starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from instructsam.errors import InputError
from instructsam.structures.files import reason


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
