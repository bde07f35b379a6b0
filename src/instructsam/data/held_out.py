"""Images held out of training data for validation: always the same ones, whatever the order of the records."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from instructsam.data.record import Record
from instructsam.errors import ConfigError


def image_hash(file: str) -> str:
    """A hash of an image's name, alike on every system."""
    return hashlib.sha256(file.replace("\\", "/").encode("utf-8", errors="replace")).hexdigest()


def split_by_image(records: Sequence[Record], share: float, name: str) -> tuple[list[Record], list[Record]]:
    """The records to train on, in their order, and those held out, in the order of their images' hashes.

    Args:
        records: of one source.
        share: of its images to hold out, at least one; those whose names have the smallest hashes.
        name: of the source, for messages.

    Raises:
        ConfigError: there is only one image.
    """
    if not share:
        return list(records), []
    files = sorted({record.image.file for record in records}, key=image_hash)
    if len(files) == 1:
        raise ConfigError(
            f"validation.share holds out images, and {name} has only one: add images or set validation.share=0"
        )
    order = {file: place for place, file in enumerate(files[: max(1, math.floor(share * len(files)))])}
    held_out = [record for record in records if record.image.file in order]
    held_out.sort(key=lambda record: order[record.image.file])
    return [record for record in records if record.image.file not in order], held_out
