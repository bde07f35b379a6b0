"""Expands paths to image files, and parses files of instructions. No torch."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from instructsam.errors import ImageError, InputError
from instructsam.exports.writer import MARKER
from instructsam.images.folders import IMAGE_SUFFIXES
from instructsam.inference.answer_lines import recorded_overlays
from instructsam.structures.checks import check_text, describe, parse_json
from instructsam.structures.files import reason

_COUNT_LIMIT = 10_000  # of skipped images, after which the search ends
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image file.

    Attributes:
        path: to open it.
        name: relative to the input folder, with `/`; with several inputs the absolute path.
    """

    path: Path
    name: str


@dataclass
class FoundImages:
    """The images of some inputs.

    Attributes:
        found: in the order given, each once; those of a folder by name.
        skipped: images in subfolders that were not searched.
        own: overlays and exports of earlier runs that were skipped.
        repeated: links and names of a file that is already in the list, with its first path; skipped.
        dangling: links with the name of an image that lead to no file; skipped.
        unreadable: folders that cannot be listed, with the reason.
    """

    found: list[FoundImage] = field(default_factory=list)
    skipped: int = 0
    own: int = 0
    repeated: list[tuple[Path, Path]] = field(default_factory=list)
    dangling: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """One line of a file of instructions; `place` is the file and line, `image` is None for every image."""

    image: str | None
    instruction: str
    place: str


def find_images(inputs: Sequence[Path], recursive: bool = False, out: Path | None = None) -> FoundImages:
    """The images of files and folders; hidden files and overlays that `segment` wrote are skipped.

    Files given by name are kept even if they do not exist; the loader reports the reason.

    Args:
        inputs: files and folders.
        recursive: search subfolders, except hidden ones and links.
        out: the output folder of this run.

    Raises:
        ImageError: a folder cannot be listed or contains no image.
    """
    result = FoundImages()
    seen: dict[str, Path] = {}
    alone = len(inputs) == 1
    own = set() if out is None else _own_files(out)
    for given in inputs:
        if not os.path.isdir(given):
            is_own = not alone and _real(given) in own
            files = iter(()) if is_own else iter([(given, given.name)])
            result.own += is_own
        else:
            files = _files_in(given, "", recursive, result, set(own))
        before = len(seen)
        for path, name in files:
            if (identity := _real(path)) in seen:
                result.repeated.append((path, seen[identity]))
                continue
            seen[identity] = path
            result.found.append(FoundImage(path, name if alone else os.path.abspath(path)))
        if os.path.isdir(given) and len(seen) == before and not result.found:
            raise ImageError(_no_image_message(given, result))
    return result


def read_instructions(path: Path) -> list[Row]:
    """The instructions of a file.

    A text file holds one per line. A `.csv`, `.tsv` or `.jsonl` file has the columns (fields) `image` and
    `instruction`; without `image` each applies to every image.

    Raises:
        InputError: the file cannot be read, is not UTF-8, has none, or a line is malformed.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
        raise InputError(f"--instructions {path}: the file cannot be read ({reason(error)})") from error
    suffix = path.suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        rows = list(_json_rows(text, path))
    elif suffix in _TABLES:
        rows = list(_table_rows(text, path))
    elif suffix == ".json":
        raise InputError(
            f"{path}: expected one instruction per line, CSV or JSON lines, got .json: save it as .jsonl"
        )
    else:
        if _is_header(text.partition("\n")[0]):
            raise InputError(f"{path}: the first line has column names: rename the file to .csv or .tsv")
        lines = enumerate(io.StringIO(text), start=1)
        rows = [_row(None, line, f"{path}, line {number}") for number, line in lines if line.strip()]
    if not rows:
        raise InputError(f"{path} has no instruction: write one per line")
    named = [row for row in rows if row.image is not None]
    if named and len(named) < len(rows):
        bare = next(row for row in rows if row.image is None)
        raise InputError(f"{bare.place}: the image is missing: name one in every line or in none")
    return rows


def _files_in(
    folder: Path, prefix: str, recursive: bool, result: FoundImages, own: set[str]
) -> Iterator[tuple[Path, str]]:
    """Path and relative name of every image, those of a folder before those of its subfolders."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        if not prefix:
            message = f"{folder}: the folder cannot be listed ({reason(error)})"
            raise ImageError(message) from error
        result.unreadable.append((folder, f"the folder cannot be listed ({reason(error)})"))
        return
    own = own | _own_files(folder)
    subfolders = []
    for path in entries:
        if path.name.startswith("."):
            continue
        if os.path.isdir(path):
            subfolders += [] if path.is_symlink() else [path]
        elif path.suffix.lower() in IMAGE_SUFFIXES and not path.is_file():
            result.dangling += [path] if path.is_symlink() else []
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            if _real(path) in own:
                result.own += 1
            else:
                yield path, prefix + path.name
    for subfolder in subfolders:
        inner = f"{prefix}{subfolder.name}/"
        if os.path.lexists(subfolder / MARKER):
            result.own += sum(1 for _ in _files_in(subfolder, inner, True, FoundImages(), own))
        elif recursive:
            yield from _files_in(subfolder, inner, True, result, own)
        elif result.skipped < _COUNT_LIMIT:
            skipped = FoundImages()
            for _ in _files_in(subfolder, inner, True, skipped, own):
                result.skipped += 1
                if result.skipped >= _COUNT_LIMIT:
                    break


def _own_files(folder: Path) -> set[str]:
    return {_real(folder / overlay) for overlay in recorded_overlays(folder)}


def _real(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:  # a NUL character
        return str(path)


def _no_image_message(folder: Path, result: FoundImages) -> str:
    if result.unreadable:
        return f"{result.unreadable[0][0]}: {result.unreadable[0][1]}"
    if result.skipped:
        return (
            f"{folder}: the folder itself has no image, its subfolders {count_text(result.skipped)}: "
            "add --recursive"
        )
    if result.own:
        return f"{folder}: the folder has no image except {result.own} overlays or exports of an earlier run"
    suffixes = " ".join(sorted(IMAGE_SUFFIXES))
    return f"{folder}: the folder has no image (expected one of {suffixes})"


def count_text(number: int) -> str:
    """A count of skipped images as text, which ends at a limit."""
    return f"at least {number:,}" if number >= _COUNT_LIMIT else f"{number:,}"


def _is_header(line: str) -> bool:
    return {"image", "instruction"} <= {name.strip().lower() for name in re.split("[,;\t]", line)}


def _table_rows(text: str, path: Path) -> Iterator[Row]:
    first = text.partition("\n")[0]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    line = 1
    try:
        for fields in reader:
            place, line = f"{path}, line {line}", reader.line_num + 1
            if not any(field.strip() for field in fields):
                continue
            if not columns:
                columns = [name.strip().lower() for name in fields]
                if "instruction" not in columns:
                    raise InputError(
                        f"{place}: expected the column names image and instruction, got {', '.join(fields)}"
                    )
                continue
            if len(fields) != len(columns):
                raise InputError(
                    f"{place}: expected {len(columns)} fields, got {len(fields)}; put text that holds "
                    f"{delimiter!r} in double quotes"
                )
            cells = dict(zip(columns, fields, strict=True))
            yield _row(cells.get("image"), cells["instruction"], place)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: this is not CSV ({error})") from error


def _json_rows(text: str, path: Path) -> Iterator[Row]:
    for number, line in enumerate(io.StringIO(text), start=1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        entry = parse_json(line, place)
        if not isinstance(entry, dict) or "instruction" not in entry:
            raise InputError(f'{place}: expected {{"image": ..., "instruction": ...}}, got {describe(entry)}')
        yield _row(entry.get("image"), entry["instruction"], place)


def _row(image: object, instruction: object, place: str) -> Row:
    text = check_text(instruction, f"{place}: the instruction").strip()
    if not text:
        raise InputError(f"{place}: the instruction is empty")
    name = None if image is None else check_text(image, f"{place}: the image").strip()
    if name == "":
        raise InputError(f"{place}: the image is empty")
    return Row(name, text, place)
