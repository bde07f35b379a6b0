"""The strip below an overlay: instruction, phrases with the numbers of their instances, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instructsam.visualization.lettering import Lettering, clean, shorten, wrap
from instructsam.visualization.palette import AMBER, BLACK, PAPER, WHITE, Color, color_of

NOTHING_MATCHES = "Nothing here matches: the whole picture is greyed"

_MARGIN = 8  # px
_MAX_LEGEND_LINES = 12
_MAX_PHRASE = 80  # characters
_FEW = 8  # instances; with more, only the range of the scores is shown


@dataclass(frozen=True)
class Entry:
    """One piece of a legend: its text and, with several phrases, the colour of its instances."""

    text: str
    color: Color | None = None


def add_strip(
    canvas: Image.Image,
    lettering: Lettering,
    instruction: str,
    phrases: Sequence[str],
    phrase_ids: NDArray[np.int64],
    scores: NDArray[np.float32],
    *,
    mode: str = "",
    note: str = "",
    unnumbered: int = 0,
) -> Image.Image:
    """The canvas with the strip below it; without instances, an amber strip follows.

    Args:
        canvas: RGB.
        lettering: of the strip.
        instruction, phrases, phrase_ids, scores, mode, note: see `draw_overlay`.
        unnumbered: number of instances without room for their number.
    """
    width = canvas.width - 2 * _MARGIN
    instruction = clean(instruction)
    same = clean(", ".join(phrases)) == instruction
    head = wrap(instruction, lettering, width, 3) if instruction and not same else []
    entries = [Entry(f"looked for (mode: {mode}):" if mode else "looked for:")]
    entries += legend(phrases, phrase_ids, scores) or [Entry("nothing, the model named no phrase")]
    rows = [*([Entry(line)] for line in head), *_flow(entries, lettering, width)]
    if unnumbered:
        note = ". ".join(filter(None, (note, f"The picture has no room for {unnumbered} of the numbers")))
    rows += [[Entry(line)] for line in wrap(note, lettering, width, 2)] if note else []
    blocks = [(rows, PAPER, WHITE)]
    if not len(phrase_ids):
        words = [[Entry(line)] for line in wrap(NOTHING_MATCHES, lettering, width, 2)]
        blocks.append((words, AMBER, BLACK))
    return _draw(canvas, lettering, blocks)


def legend(phrases: Sequence[str], phrase_ids: NDArray[np.int64], scores: NDArray[np.float32]) -> list[Entry]:
    """One entry per phrase: its text and its instances by number, with scores; phrases with instances come first."""
    found: list[Entry] = []
    missed: list[Entry] = []
    for index, phrase in enumerate(phrases):
        own = np.flatnonzero(phrase_ids == index)
        words = clean(phrase, _MAX_PHRASE)
        color = color_of(index) if len(phrases) > 1 else None
        if not own.size:
            missed.append(Entry(f"{words}: none", color))
        elif len(phrase_ids) <= _FEW:
            numbers = ", ".join(f"{number + 1} ({scores[number]:.2f})" for number in own)
            found.append(Entry(f"{words}: {numbers}", color))
        else:
            low, high = f"{scores[own].min():.2f}", f"{scores[own].max():.2f}"
            count = f"{len(own)} ({low})" if low == high else f"{len(own)} ({low} to {high})"
            found.append(Entry(f"{words}: {count}, no. {_number_ranges((own + 1).tolist())}", color))
    return found + missed


def _number_ranges(numbers: Sequence[int]) -> str:
    """Numbers in order as ranges: "1-4, 7"."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _flow(entries: Sequence[Entry], lettering: Lettering, width: int) -> list[list[Entry]]:
    """Entries side by side in rows of at most `width` px; the last row counts the entries that did not fit.

    An entry wider than a row takes up to three rows of its own.
    """
    rows: list[list[Entry]] = [[]]
    left = 0.0
    for number, entry in enumerate(entries):
        lines = wrap(entry.text, lettering, width - _indent(entry, lettering), 3)
        pieces = [
            Entry(line, entry.color if first else None) for first, line in zip((1, 0, 0), lines, strict=False)
        ]
        needed = _width(pieces[0], lettering)
        if rows[-1] and (left + needed > width or len(pieces) > 1):
            if len(rows) + len(pieces) > _MAX_LEGEND_LINES:
                rows.append([Entry(shorten(f"and {len(entries) - number} more phrases", lettering, width))])
                break
            rows.append([])
            left = 0.0
        rows[-1].append(pieces[0])
        rows += [[piece] for piece in pieces[1:]]
        left = width if len(pieces) > 1 else left + needed + lettering.size
    return rows


def _indent(entry: Entry, lettering: Lettering) -> int:
    return 0 if entry.color is None else round(1.1 * lettering.size)


def _width(entry: Entry, lettering: Lettering) -> float:
    return _indent(entry, lettering) + lettering.length(entry.text)


def _draw(
    canvas: Image.Image,
    lettering: Lettering,
    blocks: Sequence[tuple[Sequence[Sequence[Entry]], Color, Color]],
) -> Image.Image:
    heights = [len(rows) * lettering.line_height + _MARGIN for rows, _, _ in blocks]
    result = Image.new("RGB", (canvas.width, canvas.height + sum(heights)), PAPER)
    result.paste(canvas, (0, 0))
    draw = ImageDraw.Draw(result)
    top = canvas.height
    for (rows, paper, ink), height in zip(blocks, heights, strict=True):
        draw.rectangle((0, top, canvas.width, top + height), fill=paper)
        for number, row in enumerate(rows):
            middle = top + _MARGIN / 2 + (number + 0.5) * lettering.line_height
            left = float(_MARGIN)
            for entry in row:
                indent = _indent(entry, lettering)
                if entry.color is not None:
                    half = 0.36 * lettering.size
                    draw.rectangle((left, middle - half, left + 2 * half, middle + half), fill=entry.color)
                lettering.draw(draw, left + indent, middle, entry.text, ink)
                left += _width(entry, lettering) + lettering.size
        top += height
    return result
