"""How well and how fast the data engine filters: `python benchmarks/engine_filters.py [--texts N] [--rows N N]`.

Quality is measured on the labelled sentences of tests/engine/filters and on instructions of the drawn world. Times are
CPU time of one thread; memory is the peak of the process in MB, so the larger selection comes last.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np

from instructsam.data.image_groups import ImageGroups
from instructsam.data.image_hashes import CELLS, SmallCopy
from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.candidates import KINDS, NO_TARGET, Candidate, CandidatePhrase, Decision
from instructsam.engine.filters.copies import limit_copies
from instructsam.engine.filters.language import MIN_LETTERS, other_language
from instructsam.engine.filters.leaks import find_leak
from instructsam.engine.filters.pool import CandidatePool
from instructsam.engine.filters.report import FilterReport
from instructsam.engine.filters.text import text_problems
from instructsam.engine.rows import ImageRow
from instructsam.engine.selection import select
from instructsam.engine.selection_report import SelectionReport
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.filters import FilterSettings
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.write.selected import Selected
from instructsam.world.splits.stream import all_texts

LABELLED = Path(__file__).resolve().parent.parent / "tests" / "engine" / "filters"
CATEGORIES = ("dog", "cat", "sheep", "mug", "chair", "zebra", "horse", "cow")
WORLD_TEXTS = 6000
PER_ROW = 5  # candidates


def labelled(name: str) -> list[tuple[str, str]]:
    """Labels and sentences of a file."""
    lines = (LABELLED / f"{name}.tsv").read_text(encoding="utf-8").splitlines()
    return [(label, text) for label, text in (line.split("\t") for line in lines)]


def leaks(world: list[str]) -> None:
    """Precision and recall of the filter of leaks."""
    for name in ("leaks", "leaks_held_out"):
        sentences = labelled(name)
        found = {text for _, text in sentences if find_leak(text, CATEGORIES)}
        truth = {text for label, text in sentences if label == "leak"}
        both = len(found & truth)
        print(
            f"{name}: {len(sentences)} sentences, precision {both / len(found):.3f}, recall {both / len(truth):.3f}"
        )
    print(
        f"leaks in instructions of the world: {sum(bool(find_leak(text)) for text in world)} of {len(world)}"
    )


def languages(world: list[str]) -> None:
    """False rejections of English, and other languages that are found."""
    foreign = labelled("other_languages")
    long = [text for _, text in foreign if sum(map(str.isalpha, text)) >= MIN_LETTERS]
    caught = sum(bool(other_language(text, "en")) for text in long)
    print(
        f"other languages: {caught} of {len(long)} long ones found; {len(foreign) - len(long)} are too short"
    )
    loans = (LABELLED / "english.tsv").read_text(encoding="utf-8").splitlines()
    for name, texts in (("instructions of the world", world), ("phrases with loan words", loans)):
        rejected = sum(bool(other_language(text, "en")) for text in texts)
        print(f"English rejected: {rejected} of {len(texts)} {name}")


def timed(name: str, job: Callable[[], object], count: int) -> None:
    """Run a job and print its time."""
    start = time.process_time()
    job()
    seconds = time.process_time() - start
    print(f"{name}: {seconds:.1f} s for {count}, {count / seconds:.0f}/s, peak {peak():.0f} MB")


def peak() -> float:
    """Peak memory of the process in MB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1e6 if sys.platform == "darwin" else 1e3)


def row(number: int) -> ImageRow:
    """A row with eight boxes."""
    objects = (
        InstanceRecord(box_xywh=(60.0 * place, 10.0, 50.0, 90.0), category=category)
        for place, category in enumerate(CATEGORIES)
    )
    return ImageRow(f"{number:07}", ImageRef(f"{number:07}.jpg", 480, 640), tuple(objects))


def candidates(world: list[str], found: ImageRow, number: int) -> Iterator[Candidate]:
    """Candidates of a row: instructions of the world with one more phrase."""
    for place in range(PER_ROW):
        index = number * PER_ROW + place
        kind = KINDS[index % len(KINDS)]
        text = f"{world[index % len(world)]}, as far as row {index // len(world)} is concerned"
        numbers = () if kind in NO_TARGET else tuple(range(1, 2 + index % 3))
        phrase = CandidatePhrase(world[index % len(world)], numbers)
        yield Candidate(f"{found.id}#{place}", kind, text, (phrase,))


def texts(world: list[str], count: int) -> None:
    """Times of the filters of words and of the limit of copies."""
    settings = FilterSettings(max_phrase_words=100, copies_per_text=3)
    rows = [row(number) for number in range(count // PER_ROW)]
    made = [(found, one) for number, found in enumerate(rows) for one in candidates(world, found, number)]
    timed("faults in words", lambda: [text_problems(one, found, settings) for found, one in made], len(made))
    report = FilterReport()
    with closing(CandidatePool(report)) as pool:

        def limit() -> None:
            for found, one in made:
                pool.add(found, one, False)
            limit_copies(pool, settings.similar_text, settings.copies_per_text)

        timed("copies over the set", limit, len(made))
    print(f"  dropped: {sum(report.dropped.values())}")


def image_groups(count: int) -> None:
    """Time of the comparison of all pairs; every twentieth copy is a changed one."""
    rng = np.random.default_rng(0)
    side = np.linspace(0, 3.999, CELLS)
    low, part = side.astype(int), side % 1
    groups = ImageGroups()
    cells = np.zeros((0, CELLS * CELLS), dtype=np.uint8)
    while len(cells) < count:
        base = rng.normal(size=(1000, 5, 5))
        rows = base[:, low] * (1 - part)[:, None] + base[:, low + 1] * part[:, None]
        smooth = rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part
        grey = rng.uniform(70, 180, (1000, 1, 1)) + 45 * smooth
        cells = np.concatenate([cells, np.clip(grey, 0, 255).reshape(1000, -1).astype(np.uint8)])
    copied = count // 20
    noise = rng.integers(-2, 3, (copied, CELLS * CELLS))
    cells[count - copied : count] = np.clip(cells[:copied] + noise, 0, 255)
    grid = cells.reshape(-1, CELLS, CELLS)[:, ::2, :9].astype(np.int16)
    signs = np.packbits((grid[:, :, 1:] > grid[:, :, :-1]).reshape(-1, 64), axis=1).view(">u8").ravel()
    aspects = rng.choice([4 / 3, 3 / 2, 3 / 4, 1.0], count)
    aspects[count - copied :] = aspects[:copied]
    for number in range(count):
        copy = SmallCopy(int(signs[number]), cells[number].tobytes(), float(aspects[number]))
        groups.add(f"{number:07}.jpg", copy)
    timed("groups of images", groups.find, count)
    print(f"  groups with more than one image: {groups.repeated()} of {copied}")


def selection(world: list[str], count: int) -> None:
    """Time and memory of a whole selection, without images."""
    config = EngineConfig(
        output_dir=Path("run"),
        source=SourceSettings(data="benchmark"),
        vlm=VLMSettings(model="none", url="http://localhost/v1"),
        filters=FilterSettings(max_phrase_words=100),
    )

    def read() -> Iterator[Selected]:
        for number in range(count):
            found = row(number)
            for one in candidates(world, found, number):
                yield Selected(found, Decision(one, "accepted"))

    report = SelectionReport()

    def job() -> None:
        for _ in select(read, config, report):
            pass

    timed("selection, rows", job, count)
    print(f"  kept {report.filters.kept} of {report.filters.candidates}")


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--images", type=int, nargs="*", default=[20_000, 100_000])
    parser.add_argument("--rows", type=int, nargs="*", default=[5_000, 20_000])
    arguments = parser.parse_args()
    world = list(dict.fromkeys(islice(all_texts(WORLD_TEXTS), WORLD_TEXTS)))
    leaks(world)
    languages(world)
    for count in arguments.rows:
        selection(world, count)
    texts(world, arguments.texts)
    for count in arguments.images:
        image_groups(count)


if __name__ == "__main__":
    main()
