"""Text for overlays: wrapping, and places for label tags that stay inside and apart. Pillow's own font."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Box = tuple[int, int, int, int]  # left, top, right, bottom in px

_MAX_CHARACTERS = 600


@dataclass(frozen=True)
class Label:
    """A tag for one instance: its text, the box of its instance and where the tag goes (canvas px)."""

    text: str
    anchor: Box
    place: Box


def clean(text: str, limit: int = _MAX_CHARACTERS) -> str:
    """One printable line of at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def wrap(text: str, font: Font, width: int, max_lines: int) -> list[str]:
    """Lines no wider than `width` px, broken at spaces if there are any; what does not fit ends in '...'."""
    words = clean(text).split(" ")
    lines: list[str] = []
    line = ""
    while words and len(lines) < max_lines:
        trial = f"{line} {words[0]}".strip()
        if font.getlength(trial) <= width:
            line = trial
            words.pop(0)
        elif line:
            lines.append(line)
            line = ""
        else:
            head = _fitting_prefix(words[0], font, width)
            lines.append(words[0][:head])
            words[0] = words[0][head:]
    if line and len(lines) < max_lines:
        lines.append(line)
        line = ""
    if (words or line) and lines:
        lines[-1] = shorten(lines[-1] + "...", font, width)
    return lines


def shorten(text: str, font: Font, width: int) -> str:
    """The text, or its beginning with '...' so that it is no wider than `width` px."""
    if font.getlength(text) <= width:
        return text
    bare = text.removesuffix("...")
    return bare[: _fitting_prefix(bare, font, width - int(font.getlength("...")) - 1)].rstrip() + "..."


def _fitting_prefix(word: str, font: Font, width: int) -> int:
    length = len(word)
    while length > 1 and font.getlength(word[:length]) > width:
        length -= 1
    return max(length, 1)


def place_labels(
    texts: Sequence[str], anchors: Sequence[Box], sizes: Sequence[tuple[int, int]], covered: NDArray[np.bool_]
) -> list[Label]:
    """A place for each tag: beside its instance, inside the picture, off other tags and, if possible, masks.

    Args:
        texts: what each tag says.
        anchors: the box of each instance, canvas px.
        sizes: (width, height) px of each tag.
        covered: bool [H, W], the pixels of all masks on the canvas.
    """
    integral = np.zeros((covered.shape[0] + 1, covered.shape[1] + 1), dtype=np.int64)
    integral[1:, 1:] = covered.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    placed: list[Label] = []
    for text, anchor, size in zip(texts, anchors, sizes, strict=True):
        places = _candidates(anchor, size, covered.shape)
        best = min(places, key=lambda place: _cost(place, anchor, placed, integral))
        placed.append(Label(text, anchor, best))
    return placed


def _candidates(anchor: Box, size: tuple[int, int], shape: tuple[int, ...]) -> list[Box]:
    left, top, right, bottom = anchor
    width, height = size
    middle_x, middle_y = (left + right - width) // 2, (top + bottom - height) // 2
    gap = max(2, height // 6)
    columns = (left, middle_x, right - width, left - width - gap, right + gap)
    rows = (top - height - gap, bottom + gap, middle_y, top, bottom - height)
    steps = (0, -(height + gap), height + gap, -2 * (height + gap), 2 * (height + gap))
    corners = [(x, y + step) for step in steps for y in rows for x in columns]
    limit_x, limit_y = max(shape[1] - width, 0), max(shape[0] - height, 0)
    clamped = [(min(max(x, 0), limit_x), min(max(y, 0), limit_y)) for x, y in corners]
    return [(x, y, x + width, y + height) for x, y in dict.fromkeys(clamped)]


def _cost(place: Box, anchor: Box, placed: Sequence[Label], integral: NDArray[np.int64]) -> float:
    left, top, right, bottom = place
    height, width = integral.shape
    x1, x2 = min(left, width - 1), min(right, width - 1)
    y1, y2 = min(top, height - 1), min(bottom, height - 1)
    on_masks = integral[y2, x2] - integral[y1, x2] - integral[y2, x1] + integral[y1, x1]
    on_tags = sum(overlap(place, label.place) for label in placed)
    return float(20 * on_tags + on_masks) + gap_between(place, anchor) * (bottom - top)


def overlap(a: Box, b: Box) -> int:
    """Pixels that two boxes share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def gap_between(a: Box, b: Box) -> int:
    """Pixels between two boxes, along x plus along y; 0 when they touch."""
    return max(0, a[0] - b[2], b[0] - a[2]) + max(0, a[1] - b[3], b[1] - a[3])
