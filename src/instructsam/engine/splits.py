"""The split of each image: near-duplicates are always in one, and more images move none of the others.

The split depends on the name of an image's group alone, which is the smallest file name of its images. A new image
moves a group only if it belongs to it and has a smaller name.
"""

from __future__ import annotations

from instructsam.data.held_out import image_hash
from instructsam.engine.settings.write import WriteSettings
from instructsam.engine.write.selected import Split

_DIGITS = 13  # of the hexadecimal hash: 52 bits, exact as a float


def split_of(group: str, settings: WriteSettings) -> Split:
    """The split of a group of images, by its name."""
    position = int(image_hash(group)[:_DIGITS], 16) / 16**_DIGITS
    if position < settings.test_share:
        return "test"
    return "val" if position < settings.test_share + settings.val_share else "train"
