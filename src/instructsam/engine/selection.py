"""From accepted candidates to those that are written: filters, balance and splits, in two passes with flat memory.

The first pass checks every candidate by itself and within its image. The survivors are in a temporary file, where the
limits over the whole set drop more of them. The second pass reads the accepted candidates again and yields the rest.
The order of the stages is that of `filters.report.STAGES`; a candidate is counted for the first one that drops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import TypeAlias

from instructsam.data.exclusion import BenchmarkImages
from instructsam.data.image_groups import ImageGroups
from instructsam.engine.balance import balance
from instructsam.engine.filters.copies import limit_copies
from instructsam.engine.filters.images import SmallCopies
from instructsam.engine.filters.near_texts import repeated_in_image
from instructsam.engine.filters.objects import object_problems, problems_of_meant
from instructsam.engine.filters.pool import CandidatePool
from instructsam.engine.filters.text import text_problems
from instructsam.engine.rows import ImageRow
from instructsam.engine.selection_report import SelectionReport
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.splits import split_of
from instructsam.engine.write.selected import Selected
from instructsam.errors import InputError

ReadAccepted: TypeAlias = Callable[[], Iterable[Selected]]
"""Reads the accepted candidates from the beginning: in the order of the rows, those of one row side by side."""

_BLOCK = 256  # rows whose images are compared with benchmarks together


def select(
    read: ReadAccepted,
    config: EngineConfig,
    report: SelectionReport,
    pictures: SmallCopies | None = None,
    benchmarks: BenchmarkImages | None = None,
) -> Iterator[Selected]:
    """The candidates to write, in their order, each with the split of its image.

    Candidates that a person accepted skip the filters of words and objects, and limits keep them first.

    Args:
        read: is called twice.
        config: its groups `filters`, `balance` and `write` count here.
        report: is filled; it is complete after the last candidate.
        pictures: the images of the rows; None: images are compared by name alone.
        benchmarks: images that must not be in the set; None for no exclusion.

    Raises:
        InputError: the second reading lacks a candidate of the first one.
        ConfigError, MissingExtraError: see `filters.text.text_problems`.
    """
    with closing(CandidatePool(report.filters)) as pool:
        groups = _First(config, report, pool, pictures or SmallCopies(), benchmarks).fill(read())
        _limit_images(pool, groups, config.filters.images_per_group)
        limit_copies(pool, config.filters.similar_text, config.filters.copies_per_text)
        report.balance = balance(pool, config.balance)
        with closing(pool.kept()) as kept:
            yield from _second(read(), kept, groups, config, report)


@dataclass
class _First:
    """The first pass: it fills the pool."""

    config: EngineConfig
    report: SelectionReport
    pool: CandidatePool
    pictures: SmallCopies
    benchmarks: BenchmarkImages | None

    def fill(self, accepted: Iterable[Selected]) -> ImageGroups:
        groups = ImageGroups()
        rows = ((key, list(found)) for key, found in groupby(accepted, key=lambda found: found.row.id))
        while block := list(islice(rows, _BLOCK)):
            self._block([found for _, found in block], groups)
        groups.find()
        self.report.images["images"] = len(groups)
        self.report.images["groups of near-duplicate images"] = groups.repeated()
        self.report.filters.notes += self.pictures.unreadable
        return groups

    def _block(self, block: Sequence[list[Selected]], groups: ImageGroups) -> None:
        rows = [found[0].row for found in block]
        excluded = {} if self.benchmarks is None else self.pictures.benchmarks(rows, self.benchmarks)
        new = {row.image.file: row for row in rows if row.image.file not in groups}
        copies = self.pictures.copies(list(new.values())) if self.config.filters.similar_images else {}
        for file in new:
            groups.add(file, copies.get(file))
        for row, found in zip(rows, block, strict=True):
            self.report.filters.candidates += len(found)
            self._row(row, found, excluded.get(row.image.file, ""))

    def _row(self, row: ImageRow, accepted: Sequence[Selected], benchmark: str) -> None:
        settings = self.config.filters
        objects = object_problems(row, settings)
        left: list[Selected] = []
        for found in accepted:
            problems = [] if found.by_person else text_problems(found.candidate, row, settings)
            faulty = [] if found.by_person else problems_of_meant(found.candidate, objects)
            if problems:
                self._drop(found, "text", problems[0].code)
            elif faulty:
                self._drop(found, "objects", faulty[0].code)
            elif benchmark:
                self._drop(found, "benchmark", benchmark)
            else:
                left.append(found)
        candidates, people = [found.candidate for found in left], [found.by_person for found in left]
        repeated = repeated_in_image(candidates, people, settings.similar_text)
        for index, found in enumerate(left):
            if index in repeated:
                self._drop(found, "row", repeated[index])
            else:
                self.pool.add(row, found.candidate, found.by_person)

    def _drop(self, found: Selected, stage: str, reason: str) -> None:
        self.report.filters.drop(stage, reason, f"{found.candidate.id}: {found.candidate.instruction}")


def _limit_images(pool: CandidatePool, groups: ImageGroups, most: int) -> None:
    """Drop the candidates of near-duplicate images beyond `most` (0: no limit) of a group, in the order of names."""
    if not most:
        return
    images = [str(image) for (image,) in pool.rows("SELECT DISTINCT image FROM candidates ORDER BY image")]
    kept: dict[str, int] = {}
    for image in images:
        group = groups.name(image)
        kept[group] = kept.get(group, 0) + 1
        if kept[group] > most:
            pool.drop(
                "images", f"of near-duplicate images beyond {most} (images_per_group)", "image = ?", [image]
            )


def _second(
    accepted: Iterable[Selected],
    kept: Iterator[str],
    groups: ImageGroups,
    config: EngineConfig,
    report: SelectionReport,
) -> Iterator[Selected]:
    expected = next(kept, None)
    last = ""
    for found in accepted:
        if found.candidate.id != expected:
            continue
        split = split_of(groups.name(found.row.image.file), config.write)
        report.filters.kept += 1
        report.splits[split] += 1
        report.split_images[split] += found.row.id != last
        last = found.row.id
        yield replace(found, split=split)
        expected = next(kept, None)
    if expected is not None:
        raise InputError(
            f"expected the accepted candidate {expected!r} in the second reading, got none: the run has changed "
            "meanwhile; export again"
        )
