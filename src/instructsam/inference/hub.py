"""Models from the hub: one snapshot of one revision, from its cache where it is there, and errors with a way out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from instructsam.errors import CheckpointError

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "LICENSE*", "README.md")
FILE_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".json", ".yaml", ".yml", ".zip")


def is_hub_id(name: str) -> bool:
    """Whether a name can be `owner/model`, and not the path of a file that is missing."""
    return HUB_ID.fullmatch(name) is not None and not name.lower().endswith(FILE_SUFFIXES)


def fetch(hub_id: str, revision: str | None = None, patterns: Sequence[str] = FILES) -> Path:
    """The local snapshot of a hub repository; all its files are of one revision.

    With `HF_HUB_OFFLINE=1` nothing is asked of the network and the cache must hold the model.

    Raises:
        CheckpointError: it is gated, does not exist, is not in the cache while offline, or cannot be fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=list(patterns)))
    except GatedRepoError as error:
        raise CheckpointError(
            f"{hub_id} is gated: ask for access on its page, then log in with `hf auth login` (or set HF_TOKEN), "
            "or give a folder that holds the files"
        ) from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(
            f"no folder {hub_id!r} here and no such repository on the hub, or a private one: check the name, and log "
            "in with `hf auth login` for a private one"
        ) from error
    except RevisionNotFoundError as error:
        raise CheckpointError(
            f"{hub_id} has no revision {revision!r}; name a branch, tag or commit"
        ) from error
    except LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"no folder {hub_id!r} here, it is not in the cache, and the hub cannot be reached (or HF_HUB_OFFLINE "
            f"is set): fetch it once with `hf download {hub_id}`, or give a local folder"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"no folder {hub_id!r} here, and it could not be fetched as a hub id ({type(error).__name__}); check the "
            "name, the network and your access, or give a local folder"
        ) from error
