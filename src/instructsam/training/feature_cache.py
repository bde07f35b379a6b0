"""Features of frozen vision encoders on disk: one safetensors file per encoder, number format, weights and pixels.

The name of a file is a hash of everything that decides its content, so a cache is never out of date: other weights or
other pixels are other files. Several processes and runs can share a folder.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from instructsam.errors import InputError, InstructSAMError
from instructsam.structures.files import reason, usual_permissions

GIGABYTE = 10**9


class CacheFolder:
    """A folder of caches and the room that is left in it.

    Args:
        path: of the folder.
        gigabytes: its largest size.
        processes: that write there, each into its share of the room.

    Attributes:
        room: bytes that this process may still write.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, path: Path, gigabytes: float, processes: int = 1) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            used = sum(file.stat().st_size for file in path.glob("*/*.safetensors"))
        except OSError as error:
            raise InputError(f"cache_features: {path} cannot be written ({reason(error)})") from error
        self.room = (gigabytes * GIGABYTE - used) / processes


class FeatureCache:
    """Features of one encoder by image.

    Args:
        folder: of all caches.
        name: of the encoder, part of the files' names.
        encoder: its modules, with their weights.
        number_format: of the computation, such as "bfloat16".

    Attributes:
        found, computed: images so far; a damaged file counts as computed and is written again.
        left_out: images whose features were not stored because the folder is full.
    """

    def __init__(
        self, folder: CacheFolder, name: str, encoder: Iterable[nn.Module], number_format: str
    ) -> None:
        digest = hashlib.sha256(number_format.encode())
        for module in encoder:
            for key, tensor in module.state_dict().items():
                digest.update(key.encode())
                digest.update(_bytes(tensor))
        self.folder = folder.path / f"{name}-{digest.hexdigest()[:16]}"
        self.folder.mkdir(exist_ok=True)
        self.of_all = folder
        self.found = self.computed = self.left_out = 0

    def key(self, pixels: Iterable[Tensor]) -> str:
        """The name of an image's features, from its preprocessed pixels."""
        digest = hashlib.blake2b(digest_size=20)
        for tensor in pixels:
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(_bytes(tensor))
        return digest.hexdigest()

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The features of an image; None where they are not stored, or where their file is damaged."""
        path = self.folder / f"{key}.safetensors"
        try:
            features = load_file(path)
        except (OSError, SafetensorError):
            self.computed += 1
            return None
        self.found += 1
        return features

    def put(self, key: str, features: Mapping[str, Tensor]) -> None:
        """Store the features of an image, whole or not at all; nothing where the folder is full.

        Raises:
            InstructSAMError: the folder cannot be written.
        """
        size = sum(tensor.numel() * tensor.element_size() for tensor in features.values())
        if size > self.of_all.room:
            self.left_out += 1
            return
        unfinished = self.folder / f".writing-{os.getpid()}-{key}"
        try:
            save_file({name: tensor.cpu().contiguous() for name, tensor in features.items()}, unfinished)
            usual_permissions(unfinished)
            os.replace(unfinished, self.folder / f"{key}.safetensors")
        except (OSError, SafetensorError) as error:
            unfinished.unlink(missing_ok=True)
            raise InstructSAMError(
                f"cache_features: {self.folder} cannot be written ({error}): make room there, lower cache_gigabytes, "
                "or train without cache_features"
            ) from error
        self.of_all.room -= size


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
