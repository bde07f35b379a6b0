"""Benchmarks: images and records in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from os.path import isfile
from pathlib import Path

from PIL import Image

from instructsam.data.formats.source import Tally
from instructsam.data.published import Published
from instructsam.data.record import Record, read_records
from instructsam.data.targets import with_known_answer, with_masks
from instructsam.errors import ImageError, InputError
from instructsam.images.loader import load_image, size_mismatch
from instructsam.structures.checks import check_count
from instructsam.structures.file_names import find_file
from instructsam.structures.safe_text import one_line

Sample = tuple[Image.Image, Record]
Loaded = tuple[Image.Image | InputError, Record]
"""A record with its image, or with the reason why there is none."""


@dataclass(frozen=True)
class Benchmark:
    """Instructions with known answers.

    Attributes:
        name: what reports call it.
        source: makes a fresh iterator over (upright RGB image, record), with the error in place of an image that
            cannot be loaded; instructions on one image follow one another. Its argument is the largest number of
            records wanted, None for all.
        tally: what the source has left out so far, and why.
        texts: makes a fresh iterator over the records alone, where that is possible without the pictures.
        folder: where the pictures of these records are; None: only `source` has them.
        size: gives the number of records, where it is known without reading them.
    """

    name: str
    source: Callable[[int | None], Iterator[Loaded]]
    tally: Tally = field(default_factory=Tally)
    texts: Callable[[], Iterator[Record]] | None = None
    folder: Path | None = None
    size: Callable[[], int] | None = None
    _checked: dict[int | None, int] = field(default_factory=dict, repr=False, compare=False)

    def check(self, limit: int | None = None) -> int | None:
        """Check the records before the first answer, where that needs no image.

        Returns:
            how many there are, at most `limit`; None where only `source` knows.

        Raises:
            InputError: `limit` is not positive, a record is malformed, an id occurs twice, or not one of the pictures
                is in the folder.
        """
        if limit is not None:
            check_count(limit, "limit (None for the whole benchmark)")
        if self.texts is None:
            return None if self.size is None else min(self.size(), limit or self.size())
        if limit not in self._checked:
            self._checked[limit] = _check_records(self.name, self.folder, self.records(limit))
        return self._checked[limit]

    def records(self, limit: int | None = None) -> Iterator[Record]:
        """The first `limit` records (None: all), without loading an image where that is possible."""
        if self.texts is None:
            return (record for _, record in islice(self.source(limit), limit))
        return islice(self.texts(), limit)

    def iterate(
        self, limit: int | None = None, wanted: Callable[[Record], bool] | None = None
    ) -> Iterator[Sample]:
        """`load`, where every image must be readable.

        Raises:
            InputError: as of `load`, or an image cannot be loaded or has another size than its record.
        """
        for image, record in self.load(limit, wanted):
            if isinstance(image, InputError):
                raise image
            yield image, record

    def load(
        self, limit: int | None = None, wanted: Callable[[Record], bool] | None = None
    ) -> Iterator[Loaded]:
        """(image or the reason why there is none, record), the first `limit` of them.

        Args:
            limit: None for all.
            wanted: only those of them for which this is true; it is called once with each, in order. The pictures of
                the others are not loaded where that is possible.

        Raises:
            InputError: `limit` is not positive, or a record is malformed.
        """
        if limit is not None:
            check_count(limit, "limit (None for the whole benchmark)")
        for image, record in self._samples(limit, wanted):
            if isinstance(image, Image.Image):
                found, stated = (image.height, image.width), (record.image.height, record.image.width)
                if found != stated:
                    path = record.image.file if self.folder is None else self.folder / record.image.file
                    message = f"record {one_line(record.id)!r}: {size_mismatch(path, found, stated)}"
                    yield InputError(message), record
                    continue
            yield image, record

    def _samples(self, limit: int | None, wanted: Callable[[Record], bool] | None) -> Iterator[Loaded]:
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
        if not isfile(records):
            raise InputError(f"a benchmark folder must hold records.jsonl, but {str(folder)!r} has none")

        tally = Tally()

        def texts() -> Iterator[Record]:
            tally.left_out.clear()
            return with_masks(with_known_answer(read_records(records), tally), tally)

        return cls(
            str(folder), lambda limit: _with_images(folder, islice(texts(), limit)), tally, texts, folder
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
                f"{known.name} needs {', '.join(absent)} in the data folder {str(root)!r}: get {known.publisher}, "
                "or see what is there with: instructsam data check"
            )
        tally = Tally()

        def texts() -> Iterator[Record]:
            tally.left_out.clear()  # each pass over the files counts from zero
            return with_masks(known.read(root, tally), tally)

        return cls(known.name, lambda limit: _with_images(root, islice(texts(), limit)), tally, texts, root)


def _check_records(name: str, folder: Path | None, records: Iterable[Record]) -> int:
    """Count the records of a benchmark; see `Benchmark.check`."""
    seen: set[str] = set()
    first = ""
    found_picture = folder is None
    for record in records:
        if record.id in seen:
            raise InputError(
                f"{name}: every record must have an id of its own, but {one_line(record.id)!r} comes twice"
            )
        seen.add(record.id)
        first = first or record.image.file
        found_picture = found_picture or (folder is not None and isfile(find_file(folder, record.image.file)))
    if seen and not found_picture:
        example = str(folder and folder / first)
        raise InputError(
            f"{name}: none of the images of its {len(seen)} records is there, such as {example!r}: put the images "
            "where the records name them"
        )
    return len(seen)


def _with_images(folder: Path, records: Iterable[Record]) -> Iterator[Loaded]:
    """Each image is loaded once for the consecutive records about it."""
    current: tuple[str, Image.Image | InputError] | None = None
    for record in records:
        if current is None or current[0] != record.image.file:
            current = (record.image.file, _loaded(find_file(folder, record.image.file)))
        yield current[1], record


def _loaded(path: Path) -> Image.Image | InputError:
    try:
        return load_image(path).image
    except ImageError as error:
        return error
