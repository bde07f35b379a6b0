"""The check of a source: one pass over its records, then images and pictures of a few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from instructsam.data.formats.reader import RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.published import Census
from instructsam.data.record import Record
from instructsam.experiments.data_check.image_check import ImageCheck
from instructsam.experiments.data_check.limits import ModelLimits
from instructsam.experiments.data_check.pictures import PictureChoice
from instructsam.experiments.data_check.record_check import RecordCheck
from instructsam.experiments.data_check.report import DataReport
from instructsam.experiments.data_check.statistics import Statistics

_FEW_NEGATIVES = 0.02  # share of instructions


def check_source(
    reader: RecordReader,
    limits: ModelLimits | None = None,
    limit: int | None = None,
    look_for_images: bool = True,
    all_pixels: bool = False,
    with_pictures: bool = False,
    advance: Callable[[int], None] = lambda done: None,
) -> DataReport:
    """Read a source once and report its contents.

    Args:
        reader: of the source.
        limits: of the model that will be trained, to compare with.
        limit: only the first records; None: all.
        look_for_images: whether the images are there at all.
        all_pixels: decode every image, not only a sample.
        with_pictures: also draw records to look at.
        advance: called with the number of records read so far.

    Raises:
        InputError: a record or file is malformed.
    """
    statistics, records = Statistics(limits), RecordCheck(limits)
    images, choice, tally = ImageCheck(reader.images, look_for_images, all_pixels), PictureChoice(), Tally()

    def watched() -> Iterator[Record]:
        for number, record in enumerate(islice(reader.read(tally), limit), start=1):
            statistics.add(record)
            if images.add(record, records.findings):
                statistics.add_image(record.image.width, record.image.height)
            records.add(record)
            if with_pictures:
                choice.add(record)
            advance(number)
            yield record

    census = Census.of(watched(), tally)
    images.finish(records.findings)
    return DataReport(
        reader.name,
        reader.format,
        replace(census, absent_images=images.absent, first_absent_image=images.first_absent),
        statistics,
        tuple(records.findings.all()),
        images.decoded,
        images.unreadable,
        images.first_unreadable,
        tuple(_notes(census, reader, limit)),
        tuple(choice.draw(reader.images)) if with_pictures else (),
    )


def _notes(census: Census, reader: RecordReader, limit: int | None) -> Iterator[str]:
    if limit is not None and census.records == limit:
        yield f"only the first {limit:,} records were read"
    if census.records and census.no_target < _FEW_NEGATIVES * census.records:
        few = "no instruction is" if not census.no_target else f"only {census.no_target} instructions are"
        drawn = (
            "training adds some from absent categories (data.negatives_per_positive)"
            if reader.vocabulary is not None and len(reader.vocabulary.used) > 1
            else "without them, a model learns to answer always: add instructions about absent things"
        )
        yield f"{few} without target; {drawn}"
