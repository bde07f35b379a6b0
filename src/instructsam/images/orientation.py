"""EXIF orientation: reading the tag and rotating an image upright."""

from __future__ import annotations

from PIL import Image

from instructsam.images.limits import BROKEN_PICTURE

_ORIENTATION = 0x0112
QUARTER_TURNS = (5, 6, 7, 8)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turn_upright(image: Image.Image, orientation: int, applied: bool, notes: list[str]) -> Image.Image:
    """Rotate the image by its EXIF orientation, unless its reader has `applied` it, and add a note."""
    if orientation in _TURNS and not applied:
        image = image.transpose(_TURNS[orientation])
    size = (image.height, image.width)
    stored = size[::-1] if orientation in QUARTER_TURNS else size
    if orientation in QUARTER_TURNS:
        notes.append(
            f"rotated by its EXIF orientation: {stored[1]} x {stored[0]} px in the file, "
            f"{size[1]} x {size[0]} px here"
        )
    elif orientation in _TURNS:
        notes.append("rotated by its EXIF orientation")
    return image


def read_orientation(opened: Image.Image, notes: list[str] | None = None) -> int:
    """1..8; undefined values count as 1, upright."""
    try:
        value = opened.getexif().get(_ORIENTATION, 1)
    except BROKEN_PICTURE:
        if notes is not None:
            notes.append("its EXIF block is damaged: the image is used as stored")
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
