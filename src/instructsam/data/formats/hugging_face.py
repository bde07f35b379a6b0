"""Tables of images with labels as records: rows with an instruction, or with objects and their categories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from instructsam.data.formats.labelled import CategoryRecords, instruction_record
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.source import Node, Tally, several
from instructsam.data.formats.splits import spellings
from instructsam.data.formats.table import HUB, Table, TableImages, TablePlace, import_datasets
from instructsam.data.formats.table_instructions import has_listed_instructions, listed_records
from instructsam.data.formats.table_objects import TableObjects
from instructsam.data.record import ImageRef, Record
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import ConfigError, ImageError, InputError
from instructsam.structures.checks import check_choices

COLUMNS = {
    "image": "image",
    "instruction": "instruction",
    "instructions": "instructions",
    "objects": "objects",
    "bbox": "bbox",
    "bbox_xyxy": "",
    "segmentation": "segmentation",
    "mask": "mask",
    "category": "category",
    "width": "width",
    "height": "height",
}
"""The default columns of a table by what they hold; "" for none. docs/own_data.md explains them."""
_SHAPES = ("segmentation", "bbox", "bbox_xyxy")
NO_INSTRUCTION = "rows without an instruction"
BROKEN_IMAGE = "rows whose image cannot be read"
_HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*){1,2}")


def find_parquet(path: Path, split: str) -> Path | None:
    """A Parquet file, or a folder with some; those of the split where names say so."""
    if path.is_file():
        return path if path.suffix == ".parquet" and not split else None
    return path if _files(path, split) else None


def open_parquet(name: str, found: Path, options: ReadOptions) -> RecordReader:
    """The reader of Parquet files."""
    files = (found,) if found.is_file() else tuple(_files(found, options.split))
    folder = options.images or files[0].parent
    return _reader(name, TablePlace(files=files), folder, options)


def open_hub(name: str, options: ReadOptions) -> RecordReader:
    """The reader of a data set of the hub, hf:ORG/NAME, hf:ORG/NAME/CONFIG, each maybe with :SPLIT.

    Raises:
        ConfigError: the name is not of this form.
    """
    hub, _, split = name.removeprefix(HUB).partition(":")
    if _HUB_NAME.fullmatch(hub) is None:
        raise ConfigError(
            f"data.source: a data set of the hub must be hf:ORG/NAME or hf:ORG/NAME:SPLIT, got {name!r}"
        )
    return _reader(name, TablePlace(hub=hub, split=split or "train"), options.images or Path(), options)


def _reader(name: str, place: TablePlace, folder: Path, options: ReadOptions) -> RecordReader:
    import_datasets()
    check_choices("data.columns", options.columns, tuple(COLUMNS))
    columns = COLUMNS | dict(options.columns)
    table, vocabulary = Table(place, columns["image"], folder), Vocabulary()
    rows = TableRows(table, columns, options, vocabulary)
    return RecordReader(
        name, "table", TableImages(table), rows.read, vocabulary, options.templates, lambda _: table.licence
    )


def _files(path: Path, split: str) -> list[Path]:
    found = sorted([*path.glob("*.parquet"), *path.glob("data/*.parquet"), *path.glob("*/*.parquet")])
    found = list(dict.fromkeys(found))
    for name in spellings(split):
        of_split = [file for file in found if file.name.startswith(name) or file.parent.name == name]
        if of_split:
            return of_split
    return [] if split else found


class TableRows:
    """Reads the rows of a table.

    Args:
        table: the rows.
        columns: names of its columns, by what they hold.
        options: wordings of categories.
        vocabulary: learns which image shows which category, where rows have no instructions.
    """

    def __init__(
        self, table: Table, columns: Mapping[str, str], options: ReadOptions, vocabulary: Vocabulary
    ) -> None:
        self.table, self.columns, self.options, self.vocabulary = table, columns, options, vocabulary
        self.objects = TableObjects(table, columns)

    def read(self, tally: Tally) -> Iterator[Record]:
        """The records, row by row.

        Raises:
            InputError: the table has neither instructions nor objects, or a row is malformed.
        """
        rows = self.table.rows
        names = rows.column_names
        inside = (*_SHAPES, "category") if self.columns["objects"] in names else ()
        for key in self.options.columns:
            if self.columns[key] and key not in inside:
                self.table.check(names, self.columns[key], key)
        if self.columns["instruction"] in names:
            self._check_targets(names)
            yield from self._instructions(tally)
        elif has_listed_instructions(rows.features, self.columns["instructions"]):
            for _, values, image in self._images(tally):
                objects = self.objects.of_row(values, image, tally)
                yield from listed_records(values, self.columns["instructions"], image, objects, tally)
        elif self.columns["objects"] in names:
            yield from self._categories(tally)
        else:
            raise InputError(
                f"{self.table.place}: expected a column of instructions or of objects, got {', '.join(names)}: set "
                "data.columns.instruction or data.columns.objects"
            )

    def _check_targets(self, names: Sequence[str]) -> None:
        """Refuse instructions without any column of targets, which is not the same as no target."""
        keys = ("objects", "mask", *_SHAPES)
        if not any(self.columns[key] in names for key in keys):
            raise InputError(
                f"{self.table.place}: expected a column of targets beside the instructions, got {', '.join(names)}: "
                f"set one of {', '.join(f'data.columns.{key}' for key in keys)} to its name"
            )

    def _instructions(self, tally: Tally) -> Iterator[Record]:
        """The text of a row, or each of its texts, with all objects of the row as targets."""
        for row, values, image in self._images(tally):
            objects = self.objects.of_row(values, image, tally)
            texts = several(values.get(self.columns["instruction"]))
            if not texts:
                tally.leave_out(NO_INSTRUCTION, example=self.table.place_of(row))
            for number, text in enumerate(texts):
                record = instruction_record(f"{row}/{number}", image, text.text(), objects, tally)
                if record is not None:
                    yield record

    def _categories(self, tally: Tally) -> Iterator[Record]:
        """One record for each category of a row."""
        used: dict[str, None] = {}
        column = self.columns["objects"]
        for row, value in enumerate(self.table.rows.select_columns([column])):
            used.update(dict.fromkeys(self.objects.categories(self._node(row, value))))
        used.pop("", None)
        for name in used:
            self.vocabulary.add(name)
        records = CategoryRecords(used, self.options, self.vocabulary, tally)
        for row, values, image in self._images(tally):
            yield from records.of_image(str(row), image, self.objects.of_row(values, image, tally))

    def _images(self, tally: Tally) -> Iterator[tuple[int, Node, ImageRef]]:
        """Each row with its image; its columns without the image."""
        rest = self.table.rows.remove_columns(self.table.image)
        sides = [self.columns[key] for key in ("height", "width")]
        for row, value in enumerate(rest):
            values = self._node(row, value)
            try:
                stated = [values.get(side) for side in sides]
                size = (
                    self.table.size(row)
                    if stated[0] is None or stated[1] is None
                    else (stated[0].side(), stated[1].side())
                )
                yield row, values, ImageRef(self.table.file(row), *size)
            except ImageError as error:
                if not self.options.skip_missing:
                    raise
                tally.leave_out(BROKEN_IMAGE, example=str(error))

    def _node(self, row: int, value: Any) -> Node:
        return Node(value, Path(str(self.table.place)), Node(None, Path(str(self.table.place))), f"row {row}")
