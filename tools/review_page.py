"""Make the example of docs/engine_review.md: `python tools/review_page.py --out DIR`.

Writes a review page about drawn scenes with invented proposals, and its picture if Chromium is installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from PIL import Image

from instructsam.engine.candidates import Candidate, CandidatePhrase, Decision, RowOutcome
from instructsam.engine.review.page import write_pages
from instructsam.engine.review.queue import review_queue
from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.pictures import RowPictures
from instructsam.engine.world_rows import world_image, world_rows

SIZE = (1280, 1000)
QUALITY = 72


class WorldImages:
    """Draws the scene of a row."""

    def load(self, row: ImageRow) -> Image.Image:
        """The drawn scene."""
        return world_image(row)

    def path(self, row: ImageRow) -> None:
        """None: the scene is no file."""

    def content(self, row: ImageRow) -> bytes:
        """Unused by pictures."""
        raise NotImplementedError


def example(row: ImageRow) -> tuple[ImageRow, RowOutcome]:
    """A proposal about the two most frequent classes that misses an object, which two of three votes name."""
    (first, _), (second, _) = Counter(thing.category for thing in row.instances).most_common(2)
    numbers = {
        name: [number for number, thing in enumerate(row.instances, start=1) if thing.category == name]
        for name in (first, second)
    }
    missed = numbers[first].pop()
    candidate = Candidate(
        f"{row.id}#0",
        "several",
        f"Find every {first} and every {second}.",
        tuple(CandidatePhrase(f"every {name}", tuple(numbers[name])) for name in (first, second)),
        round=1,
    )
    claimed = dict.fromkeys(candidate.numbers, 1.0)
    earlier = {
        "instruction": f"Find the {first}.",
        "numbers": numbers[first],
        "reason": "ambiguous: there are several",
    }
    decision = Decision(
        candidate,
        "review",
        f"votes: 1 of 3 agree, others name {', '.join(map(str, sorted([*candidate.numbers, missed])))}",
        votes={"votes": 3, "agreement": 1 / 3, "words": 1.0},
        named=dict(sorted({**claimed, missed: 2 / 3}.items())),
        history=(earlier,),
    )
    return row, RowOutcome(row.id, (decision,))


def crowded(row: ImageRow) -> tuple[int, int]:
    """How many objects the most frequent class of a row has, and how many objects there are."""
    return max(Counter(thing.category for thing in row.instances).values()), len(row.instances)


def main() -> None:
    """Write the page and its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/review"))
    parser.add_argument("--count", type=int, default=3, help="images")
    parser.add_argument("--scenes", type=int, default=40, help="that the images are chosen from")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    rows = sorted(world_rows("val", arguments.scenes, short_side=480), key=crowded, reverse=True)
    rows = [row for row in rows if len({thing.category for thing in row.instances}) > 1]
    items = review_queue(map(example, rows[: arguments.count]))
    page = write_pages(
        items, RowPictures(WorldImages(), max_side=2048), out / "review.html", "example"
    ).files[0]
    print(f"wrote {page}")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return print("no picture: Chromium is not installed")
    shot = out / "engine_review.png"
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE[0]},{SIZE[1]}"]
    subprocess.run(
        [chromium, *options, f"--screenshot={shot}", page.resolve().as_uri()], check=True, capture_output=True
    )
    picture = shot.with_suffix(".jpg")
    Image.open(shot).convert("RGB").save(picture, quality=QUALITY, optimize=True)
    print(f"wrote {picture}, {picture.stat().st_size / 1e3:.0f} KB")


if __name__ == "__main__":
    main()
