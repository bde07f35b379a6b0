"""The objects of a table's rows: in a column of objects, or the row's own mask or box."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from instructsam.data.formats.boxes import Box, read_box
from instructsam.data.formats.labelled import LabelledObject, instance_from
from instructsam.data.formats.names import spoken
from instructsam.data.formats.source import Node, Tally
from instructsam.data.formats.table import Table
from instructsam.data.record import ImageRef
from instructsam.errors import RecordError
from instructsam.images.loader import load_bytes, load_image
from instructsam.structures.checks import shorten
from instructsam.structures.masks import encode_rle


class TableObjects:
    """Reads the objects of rows.

    Args:
        table: the rows.
        columns: names of its columns, by what they hold.
    """

    def __init__(self, table: Table, columns: Mapping[str, str]) -> None:
        self.table, self.columns = table, columns

    def of_row(self, values: Node, image: ImageRef, tally: Tally) -> list[LabelledObject]:
        """The objects of a row, with the masks or boxes that can be used."""
        objects = []
        for item in self._items(values):
            category = self._category(item)
            instance = instance_from(self._segmentation(item), self._box(item), image, category, tally)
            objects.append(LabelledObject(category, instance))
        return objects

    def categories(self, values: Node) -> list[str]:
        """The categories of the objects of a row, in their order, "" for an unknown one."""
        return [self._category(item) for item in self._items(values)]

    def _items(self, values: Node) -> list[Node]:
        """The objects of a row: a list of objects, an object of lists, or the row's own mask or box."""
        objects = self._column(values, "objects")
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
        category = self._column(values, "category")
        rest = {} if category is None else {self.columns["category"]: category.value}
        for key in ("mask", "segmentation", "bbox", "bbox_xyxy"):
            stated = self._column(values, key)
            if stated is None or stated.value == []:
                continue
            value, name = stated.value, self.columns[key]
            # A polygon is a list of lists, too: only an object of lists holds several segmentations.
            alone = key == "segmentation" or not (
                isinstance(value, list) and isinstance(value[0], list | dict)
            )
            return [
                Node({name: one, **rest}, stated.file, values, "") for one in ([value] if alone else value)
            ]
        return []

    def _column(self, item: Node, key: str) -> Node | None:
        return item.get(self.columns[key]) if self.columns[key] else None

    def _segmentation(self, item: Node) -> Node | None:
        mask = self._column(item, "mask")
        if mask is None:
            return self._column(item, "segmentation")
        content = mask.value.get("bytes") if isinstance(mask.value, dict) else mask.value
        if isinstance(content, Image.Image):  # `datasets` decodes columns of images
            picture = np.asarray(load_image(content).image)
        elif isinstance(content, bytes):
            picture = np.asarray(load_bytes(content, mask.at()).image)
        else:
            return mask
        return Node(encode_rle(np.any(picture, axis=2)), mask.file, mask, "bytes")

    def _box(self, item: Node) -> Box | None:
        corners = self._column(item, "bbox_xyxy")
        if corners is None:
            return read_box(self._column(item, "bbox"))
        found = read_box(corners)
        if found is None:
            return None
        left, top, right, bottom = found
        return left, top, right - left, bottom - top

    def _category(self, item: Node) -> str:
        stated = self._column(item, "category")
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

    @cached_property
    def _names(self) -> list[str]:
        """The class labels of the category column."""
        feature = self.table.rows.features.get(self.columns["objects"])
        return _class_labels(feature, self.columns["category"]) or _class_labels(
            dict(self.table.rows.features), self.columns["category"]
        )


def _class_labels(feature: Any, column: str) -> list[str]:
    """Names of the class labels in a column, at any depth of lists."""
    while feature is not None and not isinstance(feature, dict):
        feature = getattr(feature, "feature", None)
    found = (feature or {}).get(column)
    while found is not None and not hasattr(found, "names"):
        found = getattr(found, "feature", None)
    return list(found.names) if found is not None else []
