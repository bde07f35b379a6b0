"""The overlay picture: translucent masks with a double outline, numbered tags, a caption strip (PIL, numpy).

Colours are those of Okabe and Ito (Color Universal Design, 2008), told apart in every common form of colour
blindness; numbers say the same again. Only the font inside Pillow is used, so every machine draws alike.
Shapes: N instances; H, W the image; the canvas is the image times a whole number, with strips below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from instructsam.errors import InputError
from instructsam.structures.labels import Font, Label, clean, gap_between, place_labels, shorten, wrap

Color = tuple[int, int, int]

PALETTE: tuple[Color, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
)
PICTURE_SUFFIXES: tuple[str, ...] = (".png", ".jpg", ".jpeg", ".webp")
NOTHING_MATCHES = "Nothing here matches"

_MIN_LONG_SIDE = 480
_MIN_CANVAS = (320, 48)
_FILL = 0.3
_WHITE: Color = (255, 255, 255)
_PAPER: Color = (32, 33, 36)
_AMBER: Color = (240, 180, 40)
_MAX_TAG_SHARE = 0.22  # above this share of the picture, tags are numbers and the words move into the strip


@dataclass(frozen=True)
class _Patch:
    """A mask cut out of the canvas: `inside` bool [h, w] at column `left`, row `top`."""

    left: int
    top: int
    inside: NDArray[np.bool_]
    color: Color


def draw_overlay(
    image: Image.Image,
    masks: NDArray[np.bool_],
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    phrase_ids: NDArray[np.int64],
    phrases: Sequence[str],
    instruction: str = "",
    note: str = "",
) -> Image.Image:
    """Draws instances over their image.

    Args:
        image: RGB, the upright image that was segmented.
        masks: bool [N, H, W] at the size of the image.
        boxes_xyxy: float32 [N, 4] px, where the tags are placed.
        scores: float32 [N].
        phrase_ids: int64 [N].
        phrases: the words of the tags.
        instruction: the first line of the strip; no line when empty.
        note: a further line of the strip.

    Returns:
        A new RGB picture; images below 480 px are enlarged by a whole number.
    """
    if masks.shape[1:] != (image.height, image.width):
        size = (image.height, image.width)
        raise InputError(f"masks must have the size of the image {size}, got {masks.shape[1:]}")
    scale = max(1, -(-_MIN_LONG_SIDE // max(image.size)))
    size = (image.width * scale, image.height * scale)
    line = max(2, round(max(size) / 500))
    picture = image.convert("RGB")
    picture = picture.resize(size, Image.Resampling.BICUBIC) if scale > 1 else picture
    patches = _patches(masks, scale, 2 * line + 1)
    pixels = np.array(picture)
    covered = _paint(pixels, patches, line)
    canvas = _pad(Image.fromarray(pixels))
    offset = ((canvas.width - size[0]) // 2, (canvas.height - size[1]) // 2)
    room = np.zeros((canvas.height, canvas.width), dtype=np.bool_)
    room[offset[1] : offset[1] + size[1], offset[0] : offset[0] + size[0]] = covered
    font = ImageFont.load_default(max(13, round(max(canvas.size) / 38)))
    words = [f"{clean(phrases[p], 28)} {s:.2f}" for p, s in zip(phrase_ids, scores, strict=True)]
    anchors = np.round(boxes_xyxy * scale).astype(int) + np.array(offset * 2)
    legend = _draw_tags(canvas, words, anchors, room, font, line)
    return _add_strips(canvas, font, instruction, len(masks), legend, note)


def save_image(render: Callable[[], Image.Image], path: Path) -> Path:
    """Renders a picture and writes it, once the place is known to be good.

    Raises:
        InputError: unknown suffix, missing folder, a folder in the way, or no permission.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"a picture must be saved as {', '.join(PICTURE_SUFFIXES)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise InputError(f"the folder {str(path.parent)!r} does not exist; make it first or save elsewhere")
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; give the name of a picture file")
    picture = render()
    try:
        picture.save(path)
    except OSError as error:
        raise InputError(f"cannot write {str(path)!r}: {error.strerror or error}; save elsewhere") from error
    return path


def color_of(index: int) -> Color:
    """The colour of instance `index`; repeats after seven, numbers do not."""
    return PALETTE[index % len(PALETTE)]


def _patches(masks: NDArray[np.bool_], scale: int, margin: int) -> list[_Patch]:
    patches = []
    height, width = masks.shape[1] * scale, masks.shape[2] * scale
    for index, mask in enumerate(masks):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if rows.size == 0:
            continue
        top, left = int(rows[0]), int(columns[0])
        tight = np.pad(mask[top : rows[-1] + 1, left : columns[-1] + 1], 1)
        gray = Image.fromarray(tight.astype(np.uint8) * 255)
        gray = gray.resize((gray.width * scale, gray.height * scale), Image.Resampling.BILINEAR)
        inside = np.pad(np.asarray(gray) >= 128, margin)
        x, y = (left - 1) * scale - margin, (top - 1) * scale - margin
        cut = inside[max(0, -y) : height - y, max(0, -x) : width - x]
        patches.append(_Patch(max(x, 0), max(y, 0), cut, color_of(index)))
    return patches


def _paint(pixels: NDArray[np.uint8], patches: Sequence[_Patch], line: int) -> NDArray[np.bool_]:
    """Fills, then white rings outside, then coloured rings inside: no ring hides under a neighbour."""
    covered = np.zeros(pixels.shape[:2], dtype=np.bool_)

    def region(patch: _Patch) -> tuple[slice, slice]:
        height, width = patch.inside.shape
        return slice(patch.top, patch.top + height), slice(patch.left, patch.left + width)

    for patch in patches:
        view = pixels[region(patch)]
        mixed = view[patch.inside] * (1 - _FILL) + np.array(patch.color) * _FILL
        view[patch.inside] = np.round(mixed).astype(np.uint8)
        covered[region(patch)] |= patch.inside
    for patch in patches:
        ring = _grow(patch.inside, line) & ~patch.inside
        pixels[region(patch)][ring] = _WHITE
    for patch in patches:
        ring = patch.inside & _grow(~patch.inside, line)
        pixels[region(patch)][ring] = patch.color
    return covered


def _grow(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    gray = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(gray.filter(ImageFilter.MaxFilter(2 * by + 1))) > 0


def _pad(picture: Image.Image) -> Image.Image:
    """Centres a very narrow or flat picture on a canvas on which words can be read."""
    width, height = max(picture.width, _MIN_CANVAS[0]), max(picture.height, _MIN_CANVAS[1])
    if (width, height) == picture.size:
        return picture
    canvas = Image.new("RGB", (width, height), _PAPER)
    canvas.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
    return canvas


def _draw_tags(
    canvas: Image.Image,
    words: Sequence[str],
    anchors: NDArray[np.int64],
    room: NDArray[np.bool_],
    font: Font,
    line: int,
) -> list[str]:
    """Draws one tag per instance; returns the lines that found no room and belong into the strip."""
    texts = [f"{number}  {word}" for number, word in enumerate(words, start=1)]
    texts = [shorten(text, font, canvas.width - 4 * line) for text in texts]
    sizes = [_tag_size(text, font) for text in texts]
    legend: list[str] = []
    if sum(w * h for w, h in sizes) > _MAX_TAG_SHARE * room.size:
        legend = list(texts)
        texts = [str(number) for number in range(1, len(words) + 1)]
        sizes = [_tag_size(text, font) for text in texts]
    boxes = [(int(a), int(b), int(c), int(d)) for a, b, c, d in anchors]
    labels = place_labels(texts, boxes, sizes, room)
    draw = ImageDraw.Draw(canvas)
    for index, label in enumerate(labels):
        _draw_leader(draw, label, color_of(index), line)
    for index, label in enumerate(labels):
        _draw_tag(draw, label, color_of(index), font, line)
    return legend


def _tag_size(text: str, font: Font) -> tuple[int, int]:
    _, top, _, bottom = font.getbbox("Ag" + text)
    ink = int(font.getlength(text))
    return ink + int(bottom - top) // 2 + 4, int(bottom - top) + 6


def _draw_tag(draw: ImageDraw.ImageDraw, label: Label, color: Color, font: Font, line: int) -> None:
    left, top, right, bottom = label.place
    draw.rounded_rectangle((left, top, right - 1, bottom - 1), radius=2 * line, fill=color, outline=_WHITE)
    middle = ((left + right) / 2, (top + bottom) / 2)
    draw.text(middle, label.text, fill=_ink_on(color), font=font, anchor="mm")


def _draw_leader(draw: ImageDraw.ImageDraw, label: Label, color: Color, line: int) -> None:
    left, top, right, bottom = label.place
    if gap_between(label.place, label.anchor) <= bottom - top:
        return
    x1, y1, x2, y2 = label.anchor
    ends = ((left + right) / 2, (top + bottom) / 2, (x1 + x2) / 2, (y1 + y2) / 2)
    draw.line(ends, fill=_WHITE, width=line + 2)
    draw.line(ends, fill=color, width=line)


def _ink_on(color: Color) -> Color:
    red, green, blue = color
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else _WHITE


def _add_strips(
    canvas: Image.Image, font: Font, instruction: str, count: int, legend: Sequence[str], note: str
) -> Image.Image:
    """The canvas and below it the instruction, the legend, a note and, without instances, an amber strip."""
    margin = 8
    width = canvas.width - 2 * margin
    lines = wrap(instruction, font, width, 3) if instruction.strip() else []
    if legend:
        lines += wrap("  |  ".join(legend), font, width, 6)
    if note:
        lines += wrap(note, font, width, 2)
    step = _tag_size("Ag", font)[1] + 2
    strips = [(lines, _PAPER, _WHITE)] if lines else []
    if count == 0:
        strips.append((wrap(NOTHING_MATCHES, font, width, 2), _AMBER, (0, 0, 0)))
    heights = [len(texts) * step + margin for texts, _, _ in strips]
    result = Image.new("RGB", (canvas.width, canvas.height + sum(heights)), _PAPER)
    result.paste(canvas, (0, 0))
    draw = ImageDraw.Draw(result)
    top = canvas.height
    for (texts, paper, ink), height in zip(strips, heights, strict=True):
        draw.rectangle((0, top, canvas.width, top + height), fill=paper)
        for row, text in enumerate(texts):
            middle = top + margin // 2 + (row + 0.5) * step
            draw.text((margin, middle), text, fill=ink, font=font, anchor="lm")
        top += height
    return result
