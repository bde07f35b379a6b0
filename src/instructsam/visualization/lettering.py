"""Lines of text in any script, drawn with the packaged fonts, so that the result is the same on every machine.

A character that no packaged font has is shown as its code point, "[U+0939]", so that different characters stay
distinguishable.
"""

from __future__ import annotations

import struct
import unicodedata
from bisect import bisect_right
from functools import lru_cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path

import numpy as np
from PIL import ImageDraw, ImageFont

from instructsam.visualization.palette import Color
from instructsam.visualization.scripts import visual_order

FONT_FILES = (
    "DejaVuSans.ttf",
    "DroidSansFallback-subset.ttf",
)  # the first font that has a character draws it
_MAX_CHARACTERS = 600
_SPACES = ("Cc", "Zs", "Zl", "Zp")


class Lettering:
    """Text of one size in px: measures and draws single lines that `clean` returned."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.line_height = round(1.35 * size)

    def length(self, text: str) -> float:
        """The width of a line, px."""
        return sum(_font(name, self.size).getlength(run) for name, run in _runs(text))

    def draw(self, draw: ImageDraw.ImageDraw, left: float, middle: float, text: str, color: Color) -> None:
        """Draw a line from `left`, with capitals centred vertically on `middle`, px."""
        baseline = middle + 0.36 * self.size
        for name, run in _runs(text):
            font = _font(name, self.size)
            draw.text((left, baseline), run, fill=color, font=font, anchor="ls")
            left += font.getlength(run)


def clean(text: str, limit: int = _MAX_CHARACTERS) -> str:
    """One line of at most `limit` characters that the packaged fonts can draw."""
    letters = []
    for letter in unicodedata.normalize("NFC", text[: 4 * limit]):
        category = unicodedata.category(letter)
        if category in _SPACES:
            letters.append(" ")
        elif category != "Cf":  # format characters are invisible
            letters.append(letter if _font_of(letter) else f"[U+{ord(letter):04X}]")
    line = " ".join("".join(letters).split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def wrap(text: str, lettering: Lettering, width: int, max_lines: int) -> list[str]:
    """Lines no wider than `width` px, broken at spaces if there are any; text that does not fit ends in '...'."""
    words = clean(text).split(" ")
    lines: list[str] = []
    line = ""
    while words and len(lines) < max_lines:
        trial = f"{line} {words[0]}".strip()
        if lettering.length(trial) <= width:
            line = trial
            words.pop(0)
        elif line:
            lines.append(line)
            line = ""
        else:
            head = _fitting_prefix(words[0], lettering, width)
            lines.append(words[0][:head])
            words[0] = words[0][head:]
    if line and len(lines) < max_lines:
        lines.append(line)
        line = ""
    if (words or line) and lines:
        lines[-1] = shorten(lines[-1] + "...", lettering, width)
    return lines


def shorten(text: str, lettering: Lettering, width: int) -> str:
    """The text, or its beginning with '...' so that it is no wider than `width` px."""
    if lettering.length(text) <= width:
        return text
    bare = text.removesuffix("...")
    room = width - int(lettering.length("...")) - 1
    return bare[: _fitting_prefix(bare, lettering, room)].rstrip() + "..."


def _fitting_prefix(word: str, lettering: Lettering, width: int) -> int:
    lengths = [lettering.length(word[: end + 1]) for end in range(len(word))]
    return max(bisect_right(lengths, width), 1)


def _runs(text: str) -> list[tuple[str, str]]:
    """Runs of one font of a line, in drawing order, as (font, text)."""
    # A joined form that no font has falls back to the plain letter.
    letters = [c if _font_of(c) else unicodedata.normalize("NFKC", c) for c in visual_order(text)]
    return [
        (name, "".join(run)) for name, run in groupby(letters, key=lambda c: _font_of(c) or FONT_FILES[0])
    ]


@lru_cache(maxsize=4096)
def _font_of(letter: str) -> str | None:
    """The first font that has this letter."""
    return next((name for name in FONT_FILES if ord(letter) in _coverage(name)), None)


@lru_cache(maxsize=16)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_path(name)), size, layout_engine=ImageFont.Layout.BASIC)


def _path(name: str) -> Path:
    return Path(str(files("instructsam") / "assets" / "fonts" / name))


@lru_cache(maxsize=len(FONT_FILES))
def _coverage(name: str) -> frozenset[int]:
    """The code points that a font has, from the format 12 subtable of its `cmap` table (OpenType 1.9)."""
    content = _path(name).read_bytes()
    (num_tables,) = struct.unpack_from(">H", content, 4)
    tables = {
        tag: start for tag, _, start, _ in struct.iter_unpack(">4sIII", content[12 : 12 + 16 * num_tables])
    }
    start = tables[b"cmap"]
    (num_subtables,) = struct.unpack_from(">H", content, start + 2)
    records = struct.iter_unpack(">HHI", content[start + 4 : start + 4 + 8 * num_subtables])
    places = [start + offset for _, _, offset in records]
    place = next(place for place in places if struct.unpack_from(">H", content, place) == (12,))
    (num_groups,) = struct.unpack_from(">I", content, place + 12)
    groups = np.frombuffer(content, ">u4", 3 * num_groups, place + 16).reshape(-1, 3)
    return frozenset(code for first, last, _ in groups.tolist() for code in range(first, last + 1))
