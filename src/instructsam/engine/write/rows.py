"""The rows of an export, spooled to a file for each split: every writer reads them from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.candidates import Decision
from instructsam.engine.rows import ImageRow
from instructsam.engine.write.selected import Selected, Split
from instructsam.errors import InputError


@dataclass(frozen=True)
class ExportRow:
    """An image of an export with its accepted candidates.

    Attributes:
        row: with the objects that the numbers of the candidates count.
        split: that it is in.
        file: of the image, relative to the folder of the split.
        decisions: that accepted the candidates, in their order.
    """

    row: ImageRow
    split: Split
    file: str
    decisions: tuple[Decision, ...]

    @property
    def image(self) -> ImageRef:
        """The image as records of the export name it."""
        return replace(self.row.image, file=self.file)

    @property
    def crowds(self) -> tuple[tuple[dict[str, Any], str], ...]:
        """Run-length code and category of the regions that are no objects."""
        return tuple((region["rle"], region["category"]) for region in self.row.meta.get("crowds", ()))

    def instances(self, numbers: tuple[int, ...]) -> tuple[InstanceRecord, ...]:
        """The objects of these numbers."""
        return tuple(self.row.instances[number - 1] for number in numbers)


_ROW: TypeAdapter[ExportRow] = TypeAdapter(ExportRow)


def group_by_row(selected: Iterable[Selected]) -> Iterator[ExportRow]:
    """One row for each image; `file` is that of the source.

    Raises:
        InputError: candidates of one row are apart, or in several splits.
    """
    seen: set[int] = set()
    for row_id, group in groupby(selected, key=lambda one: one.row.id):
        found = list(group)
        splits = {one.split for one in found}
        if hash(row_id) in seen or len(splits) > 1:
            raise InputError(
                f"{row_id}: expected the candidates of a row side by side and in one split, got {len(splits)} splits"
            )
        seen.add(hash(row_id))
        row = found[0].row
        yield ExportRow(row, found[0].split, row.image.file, tuple(one.decision for one in found))


def write_rows(path: Path, rows: Iterable[ExportRow]) -> None:
    """Append rows to a file; `read_rows` reads them."""
    with path.open("ab") as stream:
        for row in rows:
            stream.write(_ROW.dump_json(row, exclude_none=True) + b"\n")


def read_rows(path: Path) -> Iterator[ExportRow]:
    """The rows of a file, one by one; none of one that is not there."""
    if path.exists():
        with path.open("rb") as lines:
            for line in lines:
                yield _ROW.validate_json(line)
