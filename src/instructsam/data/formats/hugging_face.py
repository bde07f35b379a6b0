"""Tables of images with labels as records: rows with an instruction, or with objects and their categories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from instructsam.data.formats.boxes import Box, read_box
from instructsam.data.formats.labelled import (
    CategoryRecords,
    LabelledObject,
    instance_from,
    targets,
)
from instructsam.data.formats.names import spoken
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.source import Node, Tally, several
from instructsam.data.formats.splits import spellings
from instructsam.data.formats.table import HUB, Table, TableImages, TablePlace, import_datasets
from instructsam.data.record import ImageRef, PhraseRecord, Record
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import ConfigError, ImageError, InputError, RecordError
from instructsam.images.loader import load_bytes, load_image
from instructsam.structures.checks import check_choices, shorten
from instructsam.structures.masks import encode_rle

COLUMNS = {
    "image": "image",
    "instruction": "instruction",
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
    return RecordReader(name, "table", TableImages(table), rows.read, vocabulary, options.templates)


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

    def read(self, tally: Tally) -> Iterator[Record]:
        """The records, row by row.

        Raises:
            InputError: the table has neither instructions nor objects, or a row is malformed.
        """
        rows = self.table.rows
        names = rows.column_names
        for key in self.options.columns:
            if self.columns[key] and key not in ("bbox", "bbox_xyxy", "segmentation", "category"):
                self.table.check(names, self.columns[key], key)
        if self.columns["instruction"] in names:
            yield from self._instructions(tally)
        elif self.columns["objects"] in names:
            yield from self._categories(tally)
        else:
            raise InputError(
                f"{self.table.place}: expected a column of instructions or of objects, got {', '.join(names)}: set "
                "data.columns.instruction or data.columns.objects"
            )

    def _instructions(self, tally: Tally) -> Iterator[Record]:
        """The text of a row, or each of its texts, with all objects of the row as targets."""
        for row, values, image in self._images(tally):
            objects = self._objects(values, image, tally)
            for number, text in enumerate(several(values[self.columns["instruction"]])):
                words = text.text()
                groups: dict[str, list[LabelledObject]] = {}
                for item in objects:
                    groups.setdefault(item.category or words, []).append(item)
                phrases = [targets(name, items, tally) for name, items in groups.items()] or [
                    PhraseRecord(words, ())
                ]
                known = tuple(phrase for phrase in phrases if phrase is not None)
                if len(known) == len(phrases):
                    yield Record(f"{row}/{number}", image, words, known)

    def _categories(self, tally: Tally) -> Iterator[Record]:
        """One record for each category of a row."""
        used: dict[str, None] = {}
        column = self.columns["objects"]
        for row, value in enumerate(self.table.rows.select_columns([column])):
            for item in self._items(self._node(row, value)):
                used[self._category(item)] = None
        used.pop("", None)
        for name in used:
            self.vocabulary.add(name)
        records = CategoryRecords(used, self.options, self.vocabulary, tally)
        for row, values, image in self._images(tally):
            yield from records.of_image(str(row), image, self._objects(values, image, tally))

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

    def _objects(self, values: Node, image: ImageRef, tally: Tally) -> list[LabelledObject]:
        found = self._items(values)
        objects = []
        for item in found:
            category = self._category(item)
            segmentation = self._segmentation(item, image)
            instance = instance_from(segmentation, self._box(item), image, category, tally)
            objects.append(LabelledObject(category, instance))
        return objects

    def _items(self, values: Node) -> list[Node]:
        """The objects of a row: a list of objects, an object of lists, or the row's own mask or box."""
        objects = values.get(self.columns["objects"])
        if objects is None:
            return self._own(values)
        if isinstance(objects.value, list):
            return list(objects.items())
        if not isinstance(objects.value, dict):
            raise objects.wrong("a list of objects, or an object of lists")
        lists = {key: value for key, value in objects.value.items() if isinstance(value, list)}
        counts = {key: len(value) for key, value in lists.items()}
        if len(set(counts.values())) > 1:
            raise objects.wrong(f"lists of equal length, got {counts}")
        return [
            Node({key: value[index] for key, value in lists.items()}, objects.file, objects, index)
            for index in range(next(iter(counts.values()), 0))
        ]

    def _own(self, values: Node) -> list[Node]:
        """The targets that a row states itself, in lists or alone."""
        keys = [
            self.columns[key] for key in ("mask", "segmentation", "bbox", "bbox_xyxy") if self.columns[key]
        ]
        for key in keys:
            stated = values.get(key)
            if stated is None or stated.value == []:
                continue
            value = stated.value
            several = (
                isinstance(value, list)
                and isinstance(value[0], list | dict)
                and key != self.columns["segmentation"]
            )
            return [Node({key: one}, stated.file, values, "") for one in (value if several else [value])]
        return []

    def _segmentation(self, item: Node, image: ImageRef) -> Node | None:
        mask = item.get(self.columns["mask"]) if self.columns["mask"] else None
        if mask is None:
            return item.get(self.columns["segmentation"]) if self.columns["segmentation"] else None
        content = mask.value.get("bytes") if isinstance(mask.value, dict) else mask.value
        if isinstance(content, Image.Image):  # `datasets` decodes columns of images
            picture = np.asarray(load_image(content).image)
        elif isinstance(content, bytes):
            picture = np.asarray(load_bytes(content, mask.at()).image)
        else:
            return mask
        return Node(encode_rle(np.any(picture, axis=2)), mask.file, mask, "bytes")

    def _box(self, item: Node) -> Box | None:
        corners = item.get(self.columns["bbox_xyxy"]) if self.columns["bbox_xyxy"] else None
        if corners is None:
            return read_box(item.get(self.columns["bbox"]) if self.columns["bbox"] else None)
        found = read_box(corners)
        if found is None:
            return None
        left, top, right, bottom = found
        return left, top, right - left, bottom - top

    def _category(self, item: Node) -> str:
        stated = item.get(self.columns["category"]) if self.columns["category"] else None
        if stated is None or stated.value == "":
            return ""
        if isinstance(stated.value, str):
            return spoken(stated.text())
        names = self._names
        if not isinstance(stated.value, int) or not 0 <= stated.value < len(names):
            raise RecordError(
                f"{stated.at()}: expected a category by name, or the number of one of {len(names)} class labels of the "
                f"table, got {shorten(stated.value)}"
            )
        return spoken(names[stated.value])

    @property
    def _names(self) -> list[str]:
        """The class labels of the category column."""
        feature = self.table.rows.features.get(self.columns["objects"])
        return _class_labels(feature, self.columns["category"]) or _class_labels(
            dict(self.table.rows.features), self.columns["category"]
        )

    def _node(self, row: int, value: Any) -> Node:
        return Node(value, Path(str(self.table.place)), Node(None, Path(str(self.table.place))), f"row {row}")


def _class_labels(feature: Any, column: str) -> list[str]:
    """Names of the class labels in a column, at any depth of lists."""
    while feature is not None and not isinstance(feature, dict):
        feature = getattr(feature, "feature", None)
    found = (feature or {}).get(column)
    while found is not None and not hasattr(found, "names"):
        found = getattr(found, "feature", None)
    return list(found.names) if found is not None else []
