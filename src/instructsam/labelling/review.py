"""The review page of a labelled folder: thumbnails with outlines, the images in doubt first. Static files, offline.

Items are kept in a temporary file until all are known and sorted, so memory does not grow with the images.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

from instructsam.inference.answer_log import Content
from instructsam.labelling.classes import LabelClass
from instructsam.labelling.doubt import Doubt
from instructsam.labelling.outlines import outline_path
from instructsam.labelling.selection import SelectedImage
from instructsam.labelling.summary import Summary
from instructsam.labelling.thumbnails import Thumbnails
from instructsam.structures.files import write_text
from instructsam.structures.html_page import page_template
from instructsam.visualization.palette import PALETTE, to_hex

PAGE_NAME, FOLDER_NAME = "review.html", "review"
ITEMS_PER_PAGE = 200
_OUTLINES_PER_IMAGE = 100
_OUTLINE_STEPS = 250  # of an outline along the longer side of the image, about the size of its thumbnail


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an item is stored, and what decides on its page."""

    doubt: float
    offset: int
    classes: frozenset[int]


class ReviewWriter:
    """A context manager: `add` each image, then `write`.

    Args:
        folder: of the labels; gets `review.html` and the folder `review`.
        classes: in order.
        thumbnails: in the folder `review`.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """

    def __init__(self, folder: Path, classes: Sequence[LabelClass], thumbnails: Thumbnails) -> None:
        self._folder, self._classes, self._thumbnails = folder, classes, thumbnails
        self._template = page_template("instructsam.labelling", "review.html")
        self._places: list[_Place] = []
        self._sets: dict[frozenset[int], frozenset[int]] = {}  # many items share one
        self._items: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit

    def __enter__(self) -> ReviewWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._items.close()

    def add(self, image: SelectedImage, content: Content, doubt: Doubt) -> None:
        """Store the item of an image.

        Raises:
            InputError: a mask is damaged, or a thumbnail cannot be written.
        """
        height, width = image.size
        step = max(1, max(height, width) // _OUTLINE_STEPS)
        item = {
            "name": image.name,
            "path": None if image.path is None else str(image.path),
            "thumbnail": None if image.path is None else self._thumbnails.name_of(content, image.path),
            "width": width,
            "height": height,
            "reasons": doubt.reasons,
            "outlines": [
                (row.class_index, f"{row.label} {row.score:.2f}", outline_path(row.code, step))
                for row in image.rows[:_OUTLINES_PER_IMAGE]
            ],
            "left_out": max(0, len(image.rows) - _OUTLINES_PER_IMAGE),
            "chips": _chips(image),
        }
        offset = self._items.seek(0, os.SEEK_END)
        self._items.write(json.dumps(item).encode() + b"\n")
        classes = frozenset(row.class_index for row in image.rows)
        classes = self._sets.setdefault(classes, classes)
        self._places.append(_Place(doubt.amount, offset, classes))

    def write(self, summary: Summary) -> Path:
        """Write all pages; returns the first.

        Raises:
            InputError: a file cannot be written.
        """
        ordered = sorted(self._places, key=lambda place: -place.doubt)  # equal ones stay in order
        pages = [ordered[start : start + ITEMS_PER_PAGE] for start in range(0, len(ordered), ITEMS_PER_PAGE)]
        pages = pages or [[]]
        classes = [
            {
                "number": number,
                "name": counts.name,
                "instruction": counts.instruction,
                "instances": counts.instances,
                "pages": _pages_with(pages, lambda place, number=number: number in place.classes),
            }
            for number, counts in enumerate(summary.classes)
        ]
        empty = _pages_with(pages, lambda place: not place.classes)
        written = set()
        for number in reversed(range(len(pages))):  # the first page last: it refers to the others
            path = self._path(number)
            if number:
                path.parent.mkdir(exist_ok=True)
            written.add(path.name)
            text = self._template.render(
                title=f"Review of {self._folder.absolute().name}",
                summary=summary,
                classes=classes,
                empty_pages=empty,
                colors=[to_hex(color) for color in PALETTE],
                number=number + 1,
                pages=[self._link(number, other) for other in range(len(pages))],
                first=number * ITEMS_PER_PAGE + 1,
                items=(self._item(place, path.parent) for place in pages[number]),
            )
            write_text(path, text)
        for path in (self._folder / FOLDER_NAME).glob("page-*.html"):
            if path.name not in written:
                path.unlink(missing_ok=True)
        self._thumbnails.remove_unused()
        return self._path(0)

    def _path(self, number: int) -> Path:
        if not number:
            return self._folder / PAGE_NAME
        return self._folder / FOLDER_NAME / f"page-{number + 1:04d}.html"

    def _link(self, here: int, there: int) -> str:
        return _url(self._path(there), self._path(here).parent)

    def _item(self, place: _Place, folder: Path) -> dict[str, Any]:
        from markupsafe import Markup

        self._items.seek(place.offset)
        item: dict[str, Any] = json.loads(self._items.readline())
        thumbnail = item["thumbnail"]
        item["thumbnail"] = thumbnail and Markup(_url(self._thumbnails.folder / thumbnail, folder))
        item["link"] = item["path"] and Markup(_url(Path(item["path"]), folder))
        # Paths hold numbers and the letters M, h, v and z only.
        item["outlines"] = [(number, title, Markup(path)) for number, title, path in item["outlines"]]
        item["classes"] = " ".join(map(str, sorted(place.classes)))
        item["doubt"] = f"{place.doubt:.2f}"
        return item


def _chips(image: SelectedImage) -> list[tuple[int, str, int]]:
    """Class, label and number of instances, in the order of the classes."""
    counts: dict[tuple[int, str], int] = {}
    for row in image.rows:
        key = row.class_index, row.label
        counts[key] = counts.get(key, 0) + 1
    return [(number, label, count) for (number, label), count in counts.items()]


def _pages_with(pages: Sequence[Sequence[_Place]], fits: Any) -> str:
    return " ".join(str(number) for number, page in enumerate(pages, start=1) if any(map(fits, page)))


def _url(path: Path, folder: Path) -> str:
    """A relative URL, ASCII only."""
    return quote(os.fsencode(os.path.relpath(path, folder)))
