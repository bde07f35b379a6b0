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
from instructsam.images.loader import load_image, size_mismatch
from instructsam.structures.checks import check_count, check_path
from instructsam.structures.files import find_file

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
        folder: where the pictures of these records are; None: only `source` has them.
        size: gives the number of records, where it is known without reading them.
    """

    name: str
    source: Callable[[int | None], Iterator[Sample]]
    tally: Tally = field(default_factory=Tally)
    texts: Callable[[], Iterator[Record]] | None = None
    folder: Path | None = None
    size: Callable[[], int] | None = None

    def count(self, limit: int | None = None) -> int:
        """How many records there are, at most `limit`; unless `size` is known they are read for it."""
        number = sum(1 for _ in self.records(limit)) if self.size is None else self.size()
        return number if limit is None else min(number, limit)

    def records(self, limit: int | None = None) -> Iterator[Record]:
        """The first `limit` records (None: all), without loading a picture where that is possible."""
        if self.texts is None:
            return (record for _, record in islice(self.source(limit), limit))
        return islice(self.texts(), limit)

    def iterate(
        self, limit: int | None = None, wanted: Callable[[Record], bool] | None = None
    ) -> Iterator[Sample]:
        """(image, record) pairs, the first `limit` of them.

        Args:
            wanted: only those of them for which this says yes; it is asked once about each, in order. The pictures of
                the others are not loaded where that is possible.

        Raises:
            InputError: `limit` is not positive, or an image does not have the size that its record says.
        """
        if limit is not None:
            check_count(limit, "limit")
        for image, record in self._samples(limit, wanted):
            found, said = (image.height, image.width), (record.image.height, record.image.width)
            if found != said:
                path = record.image.file if self.folder is None else self.folder / record.image.file
                raise InputError(f"record {record.id!r}: {size_mismatch(path, found, said)}")
            yield image, record

    def _samples(self, limit: int | None, wanted: Callable[[Record], bool] | None) -> Iterator[Sample]:
        if wanted is None:
            return islice(self.source(limit), limit)
        if self.texts is not None and self.folder is not None:
            return _with_images(self.folder, filter(wanted, self.records(limit)))
        return (sample for sample in islice(self.source(limit), limit) if wanted(sample[1]))

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
            folder=folder,
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

        return cls(known.name, lambda limit: _with_images(root, islice(texts(), limit)), tally, texts, root)


def _with_images(folder: Path, records: Iterable[Record]) -> Iterator[Sample]:
    """Each picture is loaded once for the records that follow one another on it."""
    current: tuple[str, Image.Image] | None = None
    for record in records:
        if current is None or current[0] != record.image.file:
            current = (record.image.file, load_image(find_file(folder, record.image.file)).image)
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


def _world_size(name: str) -> int:
    from instructsam.world.build import INSTRUCTIONS
    from instructsam.world.own_words import own_lines

    return len(own_lines()) if name == "world/own_words" else INSTRUCTIONS


_KNOWN = {
    "world/val": _world("val"),
    "world/test": _world("test"),
    "world/test_unseen_pairs": _world("test_unseen_pairs"),
    "world/test_unseen_wording": _world("test_unseen_wording"),
    "world/test_crowded": _world("test_crowded"),
    "world/test_hard_negative": _world("test_hard_negative"),
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
    check_path(name, "name")
    if data is not None:
        check_path(data, "data")
    if str(name) in _KNOWN:
        return Benchmark(str(name), _KNOWN[str(name)], size=lambda: _world_size(str(name)))
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
