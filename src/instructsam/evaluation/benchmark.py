"""Benchmarks: pictures and records in a fixed order, by name or from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from instructsam.data.formats.source import Tally
from instructsam.data.record import Record, read_records
from instructsam.errors import InputError
from instructsam.evaluation.published import PUBLISHED, Published
from instructsam.processing.images import load_image

if TYPE_CHECKING:
    from instructsam.world.build import Split

Sample = tuple[Image.Image, Record]


@dataclass(frozen=True)
class Benchmark:
    """Instructions with known answers.

    Attributes:
        name: what reports call it.
        source: makes a fresh iterator over (upright RGB image, record); instructions on one image follow one
            another. Its argument is the largest number of records wanted, None for all.
        tally: what the source has left out so far, and why.
        texts: makes a fresh iterator over the records alone, where that is possible without the pictures.
    """

    name: str
    source: Callable[[int | None], Iterator[Sample]]
    tally: Tally = field(default_factory=Tally)
    texts: Callable[[], Iterator[Record]] | None = None

    def records(self) -> Iterator[Record]:
        """All records, without loading a picture where that is possible."""
        return (record for _, record in self.source(None)) if self.texts is None else self.texts()

    def iterate(self, limit: int | None = None) -> Iterator[Sample]:
        """(image, record) pairs, the first `limit` of them.

        Raises:
            InputError: `limit` is not positive, or an image does not have the size that its record says.
        """
        if limit is not None and limit < 1:
            raise InputError(f"limit must be at least 1, got {limit}; leave it out for the whole benchmark")
        for image, record in islice(self.source(limit), limit):
            found, said = (image.height, image.width), (record.image.height, record.image.width)
            if found != said:
                raise InputError(
                    f"record {record.id!r}: the image must be {said} (height, width), got {found}"
                )
            yield image, record

    @classmethod
    def from_folder(cls, path: str | Path) -> Benchmark:
        """The records of `path`/records.jsonl, with their images beside them.

        Raises:
            InputError: there is no records.jsonl.
        """
        folder = Path(path)
        records = folder / "records.jsonl"
        if not records.is_file():
            raise InputError(f"a benchmark folder must hold records.jsonl, but {str(folder)!r} has none")

        return cls(
            str(folder),
            lambda limit: _with_images(folder, islice(read_records(records), limit)),
            texts=lambda: read_records(records),
        )

    @classmethod
    def published(cls, known: Published, data: str | Path) -> Benchmark:
        """A benchmark of the field, read from its own files in the data folder.

        Raises:
            InputError: files are missing; the message names them and who publishes them.
        """
        root = Path(data)
        if absent := known.missing(root):
            raise InputError(
                f"{known.name} needs {', '.join(absent)} in the data folder {str(root)!r}: get {known.where}, "
                "or see what is there with: instructsam data check"
            )
        tally = Tally()

        def texts() -> Iterator[Record]:
            tally.left_out.clear()  # each pass over the files counts anew
            return known.read(root, tally)

        return cls(known.name, lambda limit: _with_images(root, islice(texts(), limit)), tally, texts)


def _with_images(folder: Path, records: Iterable[Record]) -> Iterator[Sample]:
    """Each picture is loaded once for the records that follow one another on it."""
    current: tuple[str, Image.Image] | None = None
    for record in records:
        if current is None or current[0] != record.image.file:
            current = (record.image.file, load_image(folder / record.image.file).image)
        yield current[1], record


def _world(split: Split) -> Callable[[int | None], Iterator[Sample]]:
    def source(limit: int | None) -> Iterator[Sample]:
        # The drawing code is only needed by those who ask for this benchmark.
        from instructsam.world.build import benchmark_records

        return benchmark_records(split, limit)

    return source


def _own_words(limit: int | None) -> Iterator[Sample]:
    from instructsam.world.own_words import own_words

    return own_words(limit)


_KNOWN = {
    "world/val": _world("val"),
    "world/test": _world("test"),
    "world/calibration": _world("calibration"),
    "world/own_words": _own_words,
}


def benchmark_names() -> tuple[str, ...]:
    """The names that `get_benchmark` knows without a data folder."""
    return tuple(_KNOWN)


def get_benchmark(name: str | Path, data: str | Path | None = None) -> Benchmark:
    """A benchmark of the world ("world/val"), of the field ("refcoco/testA"), or a folder that holds records.jsonl.

    Args:
        data: the data folder, which holds the files of the field's benchmarks (docs/data.md).

    Raises:
        InputError: none of these, or its files are missing; the message lists the names.
    """
    if str(name) in _KNOWN:
        return Benchmark(str(name), _KNOWN[str(name)])
    published = {known.name: known for known in PUBLISHED}
    if str(name) in published:
        if data is None:
            raise InputError(f"{name} is read from its own files: say where they are with --data DIR")
        return Benchmark.published(published[str(name)], data)
    if Path(name).is_dir():
        return Benchmark.from_folder(name)
    known = ", ".join(benchmark_names())
    near = get_close_matches(str(name), published, n=3, cutoff=0.4) or list(published)[:3]
    raise InputError(
        f"a benchmark must be one of {known}, or a folder with records.jsonl, or with --data DIR one of the field's, "
        f"such as {', '.join(near)}; got {str(name)!r}"
    )
