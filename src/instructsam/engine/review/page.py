"""The queue as HTML pages that work without a server and without a network.

Each page embeds its pictures, or has them in a folder beside it. Its one script is allowed by its hash, and shows every
text as text: nothing of an instruction, a category or a file name becomes markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from instructsam.engine.review.page_data import REASONS, image_data, item_data
from instructsam.engine.review.pictures import MAX_SIDE, draw_row
from instructsam.engine.review.queue import ReviewItem
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.base import Pictures
from instructsam.errors import InputError
from instructsam.structures.files import reason, write_bytes, write_text
from instructsam.structures.html_page import page_template
from instructsam.structures.safe_text import one_line
from instructsam.visualization.palette import PALETTE, to_hex

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

PER_PAGE = 200  # items: about 20 MB with embedded pictures
_PACKAGE = "instructsam.engine.review"
_TEMPLATES = Path(__file__).parent / "templates"
_SCRIPTS = ("text.js", "store.js", "pictures.js", "view.js", "actions.js")


@dataclass
class PagesReport:
    """The result of `write_pages`.

    Attributes:
        files: the pages; the first one is to be opened.
        items: on them.
        left_out: messages about images that cannot be read, with the numbers of their items.
    """

    files: list[Path] = field(default_factory=list)
    items: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The report for a terminal."""
        pages = max(1, len(self.files) - 1)
        found = [f"{self.files[0]}: {self.items} candidates on {pages} page{'s' * (pages > 1)}"]
        return found + [
            f"left out: {count} candidates: {one_line(text)}" for text, count in self.left_out.items()
        ]


@dataclass(frozen=True)
class _Page:
    name: str
    groups: Sequence[tuple[ImageRow, Sequence[ReviewItem]]]

    @property
    def count(self) -> int:
        return sum(len(items) for _, items in self.groups)


def write_pages(
    items: Sequence[ReviewItem],
    pictures: Pictures,
    path: Path,
    run: str,
    *,
    per_page: int = PER_PAGE,
    embed: bool = True,
    max_side: int = MAX_SIDE,
    progress: Callable[[int], None] | None = None,
) -> PagesReport:
    """Write the queue as one page, or as several with an index when it is long.

    Args:
        items: those of an image follow each other, as `review_queue` sorts them.
        pictures: of their rows.
        path: of the page or of the index; further files have its name as their beginning.
        run: id of the run: the browser keeps decisions under it.
        per_page: items of a page; an image is never split.
        embed: whether the pages hold their pictures; otherwise these are files in a folder beside them.
        max_side: px of the pictures.
        progress: called with the number of items of each finished image.

    Raises:
        InputError: a file cannot be written.
        MissingExtraError: jinja2 is not installed.
    """
    template, index = (page_template(_PACKAGE, name, "engine") for name in ("review.html", "index.html"))
    pages = _pages(items, path, per_page)
    report = PagesReport()
    folder = path.with_name(f"{path.stem}-files")
    if not embed:
        _make_folder(folder)
    for place, page in enumerate(pages):
        data = _page_data(page, pictures, None if embed else folder, max_side, report, progress)
        links = _links(path, pages, place)
        data |= {"run": run, "links": links, "page": place + 1, "pages": len(pages)}
        report.files.append(path.with_name(page.name))
        write_text(report.files[-1], _render(template, data, embed))
    if len(pages) > 1:
        style = _style()
        entries = [{"name": page.name, "link": quote(page.name), "count": page.count} for page in pages]
        write_text(
            path,
            index.render(policy=_policy(style=style), style=style, run=run, pages=entries, items=len(items)),
        )
        report.files.insert(0, path)
    return report


def _pages(items: Sequence[ReviewItem], path: Path, per_page: int) -> list[_Page]:
    """The items cut into pages; a page without items if there are none."""
    parts: list[list[tuple[ImageRow, Sequence[ReviewItem]]]] = [[]]
    count = 0
    for _, group in groupby(items, key=lambda item: item.row.id):
        found = list(group)
        if count and count + len(found) > per_page:
            parts.append([])
            count = 0
        parts[-1].append((found[0].row, found))
        count += len(found)
    if len(parts) == 1:
        return [_Page(path.name, parts[0])]
    digits = max(4, len(str(len(parts))))
    return [
        _Page(f"{path.stem}-{number:0{digits}}{path.suffix}", part)
        for number, part in enumerate(parts, start=1)
    ]


def _links(path: Path, pages: Sequence[_Page], place: int) -> dict[str, str]:
    """The addresses of the index and of the pages before and after one; "" for none."""
    return {
        "index": quote(path.name) if len(pages) > 1 else "",
        "previous": quote(pages[place - 1].name) if place > 0 else "",
        "next": quote(pages[place + 1].name) if place + 1 < len(pages) else "",
    }


def _page_data(
    page: _Page,
    pictures: Pictures,
    folder: Path | None,
    max_side: int,
    report: PagesReport,
    progress: Callable[[int], None] | None,
) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for row, items in page.groups:
        try:
            drawn = draw_row(row, pictures, max_side)
        except InputError as error:
            report.left_out[str(error)] = report.left_out.get(str(error), 0) + len(items)
        else:
            name = hashlib.sha256(row.id.encode()).hexdigest()[:16]
            files = {"marked": drawn.marked, "clean": drawn.clean, "tiles": drawn.tiles}
            urls = tuple(_urls(files, name, folder))
            shown += [item_data(item, len(images)) for item in items]
            images.append(image_data(row, drawn, (urls[0], urls[1], urls[2])))
            report.items += len(items)
        if progress is not None:
            progress(len(items))
    return {
        "images": images,
        "items": shown,
        "reasons": list(REASONS),
        "colors": [to_hex(color) for color in PALETTE],
    }


def _urls(files: dict[str, bytes], name: str, folder: Path | None) -> Iterator[str]:
    for part, content in files.items():
        if not content:
            yield ""
        elif folder is None:
            yield "data:image/jpeg;base64," + base64.b64encode(content).decode("ascii")
        else:
            file = f"{name}-{part}.jpg"
            write_bytes(folder / file, content)
            yield quote(f"{folder.name}/{file}")


def _render(template: Template, data: dict[str, Any], embed: bool) -> str:
    from markupsafe import Markup

    parts = "".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    script = Markup(f'"use strict";\n(() => {{\n{parts}}})();\n')
    style = _style()
    return template.render(
        policy=_policy(style=style, script=script, images="data:" if embed else "'self' file:"),
        style=style,
        script=script,
        data=_safe_json(data),
        title=f"Review: {data['run']}",
    )


def _safe_json(data: dict[str, Any]) -> Markup:
    """JSON that can stand in a script element: it has no character that HTML or JavaScript treats specially."""
    from markupsafe import Markup

    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _style() -> Markup:
    from markupsafe import Markup

    return Markup((_TEMPLATES / "review.css").read_text(encoding="utf-8"))


def _policy(style: str, script: str = "", images: str = "") -> str:
    """A Content-Security-Policy with nothing but this style, this script and these images."""
    hashes = {name: _hash(text) for name, text in (("style", style), ("script", script)) if text}
    rules = ["default-src 'none'", *(f"{name}-src '{found}'" for name, found in hashes.items())]
    if images:
        rules.append(f"img-src {images}")
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made ({reason(error)})") from error
