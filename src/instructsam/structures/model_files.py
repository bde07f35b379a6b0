"""Files of a model folder: parsing of JSON objects, and recognition of failed downloads."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from instructsam.errors import CheckpointError, InputError
from instructsam.structures.checks import parse_json
from instructsam.structures.files import reason

LARGEST_JSON = 64 * 2**20  # bytes of a configuration or an index; the largest published one has about 1 MB
_START = 512  # bytes; enough to recognise the kind of a file
_READ = (
    "*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "*.tiktoken", "LICENSE*", "NOTICE*", "README*",
    "additional_chat_templates",
)  # fmt: skip
_RENAMED = "shard-*-model-*-of-*.safetensors"  # of a distributed checkpoint, which transformers would prefer


def require_inside(folder: Path) -> None:
    """Refuse a model folder with symbolic links to files outside of it.

    Links inside the folder are accepted, as are those of the hub's cache, whose snapshots link to blobs.

    Raises:
        CheckpointError: names the link and its target.
    """
    try:
        entries = list(folder.iterdir())
        templates = folder / "additional_chat_templates"
        entries += templates.iterdir() if templates.is_dir() and not templates.is_symlink() else []
        allowed = _roots(folder)
        for entry in entries:
            if not any(fnmatch(entry.name, pattern) for pattern in _READ):
                continue
            if fnmatch(entry.name, _RENAMED):
                raise CheckpointError(
                    f"{entry} is part of a distributed checkpoint, which is not supported: save the model as "
                    f"{folder.name}/model.safetensors"
                )
            target = entry.resolve() if entry.is_symlink() else None
            if target is not None and not any(target.is_relative_to(root) for root in allowed):
                raise CheckpointError(
                    f"{entry} is a link out of the model's folder, to {target}: replace it by a copy of that file"
                )
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before Python 3.13
        raise CheckpointError(f"{folder} cannot be read ({reason(error)})") from error


def _roots(folder: Path) -> list[Path]:
    """Folders that may contain the files of a model folder, links resolved."""
    home = folder.resolve()
    repository = home.parent.parent
    if home.parent.name == "snapshots" and "--" in repository.name:
        return [home, repository / "blobs", repository.parent / "blobs"]
    return [home]


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model folder.

    Raises:
        CheckpointError: the file is missing, too large, something else (an LFS pointer, a web page), not JSON, or not
            an object; the message names the file.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_JSON:
            raise CheckpointError(f"{path} is damaged: expected a JSON file of a few kB, got {size:,} bytes")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({reason(error)})") from error
    try:
        fields = parse_json(content, str(path))
    except InputError as error:
        where = "" if str(path) in str(error) else f"{path}: "
        message = f"{where}{error}: the file is damaged: download it again"
        raise CheckpointError(wrong_content(path) or message) from error
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path} is damaged: expected a JSON object, got {type(fields).__name__}")
    return fields


def wrong_content(path: Path) -> str | None:
    """The kind of a file that is neither weights nor JSON, for a message; None when it is not recognised."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_START)
        size = path.stat().st_size
    except OSError as error:
        return f"{path} cannot be read ({reason(error)})"
    found = _kind(start)
    return None if found is None else f"{path} {found} ({size:,} bytes)"


def stand_in(start: bytes) -> str | None:
    """The kind of a file that was downloaded by mistake, from its first bytes; None when it is not recognised."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file itself: run `git lfs pull` in its folder, or download it again"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<error", b"<?xml")) and b"<svg" not in text:
        return "is a web page or a server's error message, not the file itself: download it again"
    return None


def _kind(start: bytes) -> str | None:
    if not start.strip(b"\0"):
        return "is empty: the download was interrupted, repeat it"
    if found := stand_in(start):
        return found
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"\x80\x05")):
        return (
            "is a pickled PyTorch file or an archive, which is not supported: save the weights as safetensors"
        )
    if start.startswith(b"GGUF"):
        return "is a GGUF file, which is not supported: save the weights as safetensors"
    return None
