"""The format of a path, by its content; each format is one entry of `FORMATS`."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructsam.data.formats.inst2seg import read_inst2seg
from instructsam.data.formats.source import Tally
from instructsam.data.image_store import FolderImages
from instructsam.data.record import Record, read_records
from instructsam.data.record_reader import ReadOptions, RecordReader
from instructsam.errors import ConfigError

_HEAD = 1 << 20  # bytes of a JSON file that are looked at first


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
            return form.open(name, found, options)
    looked = "; ".join(f"{form.name} ({form.looked_for})" for form in FORMATS)
    of = f" with a split {split!r}" if split else ""
    raise ConfigError(
        f"{key}: {str(path)!r} must be data of a known format{of}: {looked}. None was found there"
    )


def split_name(name: str) -> tuple[Path, str]:
    """Path and split of a name: "shop:val" is the split val of shop, unless a file is called so."""
    before, colon, split = name.rpartition(":")
    if colon and split.isidentifier() and not os.path.lexists(name) and os.path.lexists(before):
        return Path(before), split
    return Path(name), ""


def json_kind(path: Path) -> str:
    """The contents of a JSON file, from a few of its bytes: "records", "list", "coco", or "" for anything else."""
    if not path.is_file() or not path.stat().st_size:
        return ""
    with path.open("rb") as stream:
        head = stream.read(_HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
        if head.startswith(b"["):
            return "list"
        if not head.startswith(b"{"):
            return ""
        if isinstance(line := _first_line(head), dict) and "phrases" in line:
            return "records"
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            keys = (b'"images"', b'"annotations"')
            return "coco" if all(content.find(key) >= 0 for key in keys) else ""


def _first_line(head: bytes) -> Any:
    try:
        return json.loads(head.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return None


def _find_records(path: Path, split: str) -> Path | None:
    file = path / "records.jsonl" if path.is_dir() else path
    if split or not file.is_file():
        return None
    return file if file.suffix == ".jsonl" or json_kind(file) == "records" else None


def _open_records(name: str, file: Path, options: ReadOptions) -> RecordReader:
    def read(_: Tally) -> Iterator[Record]:
        return read_records(file)

    return RecordReader(name, "Inst2Seg records", FolderImages(options.images or file.parent), read)


def _find_inst2seg(path: Path, split: str) -> Path | None:
    return path if not split and path.suffix == ".json" and json_kind(path) == "list" else None


def _open_inst2seg(name: str, file: Path, options: ReadOptions) -> RecordReader:
    def read(tally: Tally) -> Iterator[Record]:
        return read_inst2seg(file, "", tally)

    return RecordReader(name, "published Inst2Seg JSON", FolderImages(options.images or file.parent), read)


FORMATS: tuple[Format, ...] = (
    Format("Inst2Seg records", "a .jsonl file, or records.jsonl in a folder", _find_records, _open_records),
    Format("published Inst2Seg JSON", "a .json file that is a list", _find_inst2seg, _open_inst2seg),
)
