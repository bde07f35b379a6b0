"""Benchmarks: pictures and records in a fixed order, by name or from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from instructsam.data.record import Record, read_records
from instructsam.errors import InputError
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
    """

    name: str
    source: Callable[[int | None], Iterator[Sample]]

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

        def source(limit: int | None) -> Iterator[Sample]:
            current: tuple[str, Image.Image] | None = None
            for record in islice(read_records(records), limit):
                if current is None or current[0] != record.image.file:
                    current = (record.image.file, load_image(folder / record.image.file).image)
                yield current[1], record

        return cls(str(folder), source)


def _world(split: Split) -> Callable[[int | None], Iterator[Sample]]:
    def source(limit: int | None) -> Iterator[Sample]:
        # The drawing code is only needed by those who ask for this benchmark.
        from instructsam.world.build import benchmark_records

        return benchmark_records(split, limit)

    return source


_KNOWN = {
    "world/val": _world("val"),
    "world/test": _world("test"),
    "world/calibration": _world("calibration"),
}


def benchmark_names() -> tuple[str, ...]:
    """The names that `get_benchmark` knows."""
    return tuple(_KNOWN)


def get_benchmark(name: str | Path) -> Benchmark:
    """A benchmark by name ("world/val"), or a folder that holds records.jsonl.

    Raises:
        InputError: neither; the message lists the known names.
    """
    if str(name) in _KNOWN:
        return Benchmark(str(name), _KNOWN[str(name)])
    if Path(name).is_dir():
        return Benchmark.from_folder(name)
    known = ", ".join(benchmark_names())
    raise InputError(f"a benchmark must be one of {known}, or a folder with records.jsonl; got {str(name)!r}")
