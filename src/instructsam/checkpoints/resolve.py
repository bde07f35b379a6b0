"""Resolves a model name (shipped default, folder or hub id) to a local folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from instructsam.checkpoints.adapters import is_adapter
from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.headers import has_weights
from instructsam.checkpoints.hub import SMALL_FILES, fetch, is_hub_id, revision_of
from instructsam.errors import CheckpointError

DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "assets" / "default"


def resolve(
    name_or_path: str | Path | None,
    revision: str | None = None,
    check: Callable[[Path], object] = read_config,
) -> Path:
    """The local folder of a model; a hub id is downloaded, or found in the hub's cache.

    Args:
        name_or_path, revision: as in `load`.
        check: raises for a configuration that is not usable; called before the weights of a hub id are downloaded.

    Raises:
        CheckpointError: there is no such folder, it contains no model, or the download failed.
    """
    folder = local_folder(name_or_path)
    return fetch_model(str(name_or_path), revision, check) if folder is None else folder


def fetch_model(
    hub_id: str, revision: str | None = None, check: Callable[[Path], object] = read_config
) -> Path:
    """The snapshot of a model's repository; its configuration is checked before its weights are downloaded.

    Raises:
        CheckpointError: it is not an InstructSAM model, the download failed, or the weights are not in the cache while
            offline.
    """
    small = fetch(hub_id, revision, SMALL_FILES)
    if is_adapter(small):
        return fetch(hub_id, revision_of(small) or revision)
    check(small)
    folder = fetch(hub_id, revision_of(small) or revision)
    if not has_weights(folder):
        raise CheckpointError(
            f"{hub_id} is in the cache without its weights: fetch it once with `hf download {hub_id}`, or give a folder"
        )
    return folder


def local_folder(name_or_path: str | Path | None) -> Path | None:
    """The folder of a local model, the shipped default for None; None for a hub id.

    Raises:
        CheckpointError: there is no such folder and it cannot be a hub id, or the folder holds no model.
    """
    # Unlike pathlib, these functions do not raise for an unknown ~user or a name that is too long.
    folder = DEFAULT_FOLDER if name_or_path is None else Path(os.path.expanduser(name_or_path))
    if name_or_path is None and not (folder / "config.json").is_file():
        raise CheckpointError(
            "this installation has no default model: reinstall instructsam or give a folder"
        )
    if os.path.isdir(folder):
        if not (folder / "config.json").is_file() and not is_adapter(folder):
            raise CheckpointError(
                f"{folder} holds no model (no config.json); give a folder saved by InstructSAM"
            )
        return folder
    if not is_hub_id(str(name_or_path)):
        raise CheckpointError(
            f"no model {str(name_or_path)!r}: it is neither an existing folder nor a hub id such as 'owner/name'"
        )
    return None
