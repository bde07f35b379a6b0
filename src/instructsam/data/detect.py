"""The format of a path, by its content; each format is one entry of `FORMATS`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from instructsam.data.formats.coco import read_concepts
from instructsam.data.formats.hugging_face import find_parquet, open_parquet
from instructsam.data.formats.inst2seg import read_inst2seg
from instructsam.data.formats.json_kind import CONCEPTS, INST2SEG, RECORDS, json_kind
from instructsam.data.formats.own_coco_layout import find_coco, open_coco
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.formats.splits import VAL
from instructsam.data.formats.yolo_layout import find_yolo, open_yolo
from instructsam.data.image_store import FolderImages
from instructsam.data.record import Record, read_records
from instructsam.errors import ConfigError


@dataclass(frozen=True)
class Format:
    """A format of a file or folder.

    Attributes:
        name: for messages.
        looked_for: what a path of this format has, for the message about one that has none.
        find: the annotation file or folder of this format at a path, for a split ("" for the one to train on).
        open: the reader of what `find` found.
    """

    name: str
    looked_for: str
    find: Callable[[Path, str], Path | None]
    open: Callable[[str, Path, ReadOptions], RecordReader]


def find_reader_of_path(name: str, options: ReadOptions, key: str = "data.source") -> RecordReader:
    """The reader of a path, or of one of its splits ("shop:val"); its records are not read.

    Args:
        name: the path.
        options: how it is read.
        key: what the user set, for messages.

    Raises:
        ConfigError: there is nothing, or nothing of a known format.
    """
    path, split = split_name(name)
    if not os.path.lexists(path):
        raise ConfigError(f"{key}: there is no file or folder {str(path)!r}: correct the path")
    for form in FORMATS:
        found = form.find(path, split)
        if found is not None:
            return form.open(name, found, replace(options, split=split))
    of = f" with a split {split!r}" if split else ""
    raise ConfigError(
        f"{key}: {str(path)!r} must be data of a known format{of}: {formats()}. None was found there"
    )


def formats() -> str:
    """All formats, each with what a path of it has, for messages."""
    return "; ".join(f"{form.name} ({form.looked_for})" for form in FORMATS)


def validation_split(name: str) -> str:
    """The name of the validation split of a path, such as "shop:val"; "" for a path without one."""
    path, split = split_name(name)
    if split or not os.path.lexists(path) or not any(form.find(path, VAL) for form in FORMATS):
        return ""
    return f"{name}:{VAL}"


def split_name(name: str) -> tuple[Path, str]:
    """Path and split of a name: "shop:val" is the split val of shop, unless a file is called so."""
    before, colon, split = name.rpartition(":")
    if colon and split.isidentifier() and not os.path.lexists(name) and os.path.lexists(before):
        return Path(before), split
    return Path(name), ""


def _find_records(path: Path, split: str) -> Path | None:
    file = path / "records.jsonl" if path.is_dir() else path
    if split or not file.is_file():
        return None
    return file if file.suffix == ".jsonl" or json_kind(file) == RECORDS else None


def _open_records(name: str, file: Path, options: ReadOptions) -> RecordReader:
    def read(_: Tally) -> Iterator[Record]:
        return read_records(file)

    return RecordReader(name, "Inst2Seg records", FolderImages(options.images or file.parent), read)


def _find_inst2seg(path: Path, split: str) -> Path | None:
    return path if not split and path.suffix == ".json" and json_kind(path) == INST2SEG else None


def _open_inst2seg(name: str, file: Path, options: ReadOptions) -> RecordReader:
    def read(tally: Tally) -> Iterator[Record]:
        return read_inst2seg(file, "", tally)

    return RecordReader(name, "published Inst2Seg JSON", FolderImages(options.images or file.parent), read)


def _find_concepts(path: Path, split: str) -> Path | None:
    return path if not split and path.suffix == ".json" and json_kind(path) == CONCEPTS else None


def _open_concepts(name: str, file: Path, options: ReadOptions) -> RecordReader:
    def read(tally: Tally) -> Iterator[Record]:
        return read_concepts([file], "", tally)

    return RecordReader(name, "SA-Co JSON", FolderImages(options.images or file.parent), read)


FORMATS: tuple[Format, ...] = (
    Format("Inst2Seg records", "a .jsonl file, or records.jsonl in a folder", _find_records, _open_records),
    Format(
        "COCO JSON", "a .json file with images and annotations, or a folder with one", find_coco, open_coco
    ),
    Format(
        "YOLO labels", "a data.yaml with names and train, or images with classes.txt", find_yolo, open_yolo
    ),
    Format("a table", "a .parquet file, or a folder with some", find_parquet, open_parquet),
    Format(
        "published Inst2Seg JSON", "a .json list of images with annotation", _find_inst2seg, _open_inst2seg
    ),
    Format("SA-Co JSON", "a .json file whose images have text_input", _find_concepts, _open_concepts),
)
