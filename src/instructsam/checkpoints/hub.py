"""Download of models from the hub: one snapshot of one revision, with actionable error messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from instructsam.errors import CheckpointError, first_line

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "LICENSE*", "README.md")
SMALL_FILES = tuple(pattern for pattern in FILES if not pattern.endswith(".safetensors"))
FILE_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".json", ".yaml", ".yml", ".zip")


def is_hub_id(name: str) -> bool:
    """Whether a name can be `owner/model`, and is not the path of a missing file."""
    return HUB_ID.fullmatch(name) is not None and not name.lower().endswith(FILE_SUFFIXES)


def fetch(hub_id: str, revision: str | None = None, patterns: Sequence[str] = FILES) -> Path:
    """The local snapshot of a hub repository; all its files are of one revision.

    With `HF_HUB_OFFLINE=1` the network is not used and the cache must contain the model.

    Raises:
        CheckpointError: it is gated, does not exist, is not in the cache while offline, or cannot be fetched.
    """
    import huggingface_hub

    with explained(hub_id, revision):
        return Path(
            huggingface_hub.snapshot_download(hub_id, revision=revision, allow_patterns=list(patterns))
        )


def cached(hub_id: str, revision: str | None = None) -> Path | None:
    """The snapshot in the cache, None without one; its weights may be missing. Does not use the network.

    Raises:
        CheckpointError: the name cannot be a hub id.
    """
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    with explained(hub_id, revision):
        try:
            return Path(huggingface_hub.snapshot_download(hub_id, revision=revision, local_files_only=True))
        except LocalEntryNotFoundError:
            return None


def revision_of(folder: Path) -> str:
    """The commit of a folder inside the hub's cache, whose snapshots are named by it; "" elsewhere."""
    return folder.name if folder.parent.name == "snapshots" else ""


def remote_headers(hub_id: str, revision: str | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Name and header entry of every tensor of a hub repository's weights, without downloading them.

    Raises:
        CheckpointError: as `fetch`, or there are no safetensors weights.
    """
    import huggingface_hub
    from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

    with explained(hub_id, revision):
        try:
            found = huggingface_hub.get_safetensors_metadata(hub_id, revision=revision)
        except (NotASafetensorsRepoError, SafetensorsParsingError) as error:
            raise CheckpointError(
                f"{hub_id} holds no readable safetensors weights: {first_line(error)}"
            ) from error
    return [
        (name, {"dtype": info.dtype, "shape": info.shape, "data_offsets": info.data_offsets})
        for file in found.files_metadata.values()
        for name, info in file.tensors.items()
    ]


@contextmanager
def explained(hub_id: str, revision: str | None) -> Iterator[None]:
    """Convert exceptions of the hub's library into one actionable message.

    Raises:
        CheckpointError: instead of the library's own errors.
    """
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise CheckpointError(
            f"{hub_id} is gated: request access on its page, then log in with `hf auth login` (or set HF_TOKEN), "
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
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise CheckpointError(
            f"no folder {hub_id!r} here, it is not in the cache, and the hub cannot be reached (or HF_HUB_OFFLINE "
            f"is set): fetch it once with `hf download {hub_id}`, or give a local folder"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"no folder {hub_id!r} here, and it could not be downloaded as a hub id ({type(error).__name__}): "
            "check the name, the network and your access, or give a local folder"
        ) from error
