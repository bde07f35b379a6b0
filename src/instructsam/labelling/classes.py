"""Classes: names of labels with the instruction of each, from a YAML, CSV, TSV or text file. No torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from instructsam.config.yaml_text import one_line, parse_yaml
from instructsam.errors import InputError
from instructsam.structures.checks import check_text, describe
from instructsam.structures.files import reason

_EXAMPLE = "mug: the mugs that are not red"


@dataclass(frozen=True)
class LabelClass:
    """A class of labels.

    Attributes:
        name: the label in exports.
        instruction: finds its instances.
        place: file and line, or option, for messages.
    """

    name: str
    instruction: str
    place: str = ""


@dataclass(frozen=True)
class ClassList:
    """Distinct classes in order, and remarks about lines that were skipped."""

    classes: tuple[LabelClass, ...]
    notes: tuple[str, ...] = ()

    @property
    def instructions(self) -> tuple[str, ...]:
        """One per class."""
        return tuple(entry.instruction for entry in self.classes)

    @property
    def labels(self) -> dict[str, str]:
        """The name of the class of each instruction."""
        return {entry.instruction: entry.name for entry in self.classes}


def class_list(instructions: Sequence[str], file: Path | None = None) -> ClassList:
    """The classes of a file, then one per further instruction, which is named like its instruction.

    Raises:
        InputError: there is no class, a name or instruction is empty or appears twice, or the file is malformed.
    """
    found, notes = ([], ()) if file is None else read_classes(file)
    for number, text in enumerate(instructions, start=1):
        words = check_text(text, f"instruction {number}").strip()
        if not words:
            raise InputError(f'instruction {number} is empty: write -i "the red mugs"')
        found.append(LabelClass(words, words, f"instruction {number}"))
    if not found:
        raise InputError('nothing to label: give -i "the red mugs", or --classes FILE')
    _refuse_repetition(found)
    return ClassList(tuple(found), notes)


def read_classes(path: Path) -> tuple[list[LabelClass], tuple[str, ...]]:
    """The classes of a file, and notes on its empty lines.

    - `.yaml`: `name: instruction` pairs, or a list of names.
    - `.csv`, `.tsv`: the columns `name` and `instruction`.
    - any other: one `name: instruction` per line.
    A class without an instruction has its name as the instruction.

    Raises:
        InputError: the file cannot be read, is malformed or has no class.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    except (OSError, ValueError) as error:
        raise InputError(f"--classes {path}: the file cannot be read ({reason(error)})") from error
    suffix = path.suffix.lower()
    notes: tuple[str, ...] = ()
    if suffix in (".yaml", ".yml"):
        found = list(_of_yaml(text, path))
    elif suffix in (".csv", ".tsv"):
        found = list(_of_table(text, path))
    else:
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
        found = [_of_line(line, f"{path}, line {number}") for number, line in lines if line]
        if empty := [str(number) for number, line in lines if not line]:
            notes = (f"{path}: empty lines are skipped: {', '.join(empty[:10])}{' ...' * (len(empty) > 10)}",)
    if not found:
        raise InputError(f"{path} has no class: write one per line, such as {_EXAMPLE}")
    return found, notes


def _of_line(line: str, place: str) -> LabelClass:
    name, colon, instruction = line.partition(":")
    return _checked(name, instruction if colon else name, place)


def _of_yaml(text: str, path: Path) -> Iterator[LabelClass]:
    try:
        document = parse_yaml(text)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not a YAML file of classes ({one_line(error)})") from error
    entries: Iterable[tuple[Any, Any]]
    if isinstance(document, dict):
        entries = document.items()
    elif isinstance(document, list):
        entries = [(item, None) for item in document]
    else:
        raise InputError(
            f"{path}: expected lines such as {_EXAMPLE!r} or a list of names, got {describe(document)}"
        )
    for number, (name, instruction) in enumerate(entries, start=1):
        for value in (name, instruction):
            if isinstance(value, bool | int | float):  # such as no and 12
                raise InputError(
                    f"{path}, class {number}: expected text, got {describe(value)}: put it in quotes"
                )
        yield _checked(name, name if instruction is None else instruction, f"{path}, class {number}")


def _of_table(text: str, path: Path) -> Iterator[LabelClass]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        if "name" not in columns:
            raise InputError(
                f"{path}, line 1: expected the column names name and instruction, got {', '.join(columns)}"
            )
        for row in reader:
            place = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise InputError(
                    f"{place}: expected {len(columns)} fields; put text that holds {delimiter!r} in double quotes"
                )
            yield _checked(row["name"], row.get("instruction", "").strip() or row["name"], place)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: this is not CSV ({error})") from error


def _checked(name: object, instruction: object, place: str) -> LabelClass:
    words = check_text(name, f"{place}: the name").strip()
    text = check_text(instruction, f"{place}: the instruction").strip()
    if not words or not text:
        raise InputError(f"{place}: the {'instruction' if words else 'name'} is empty: write {_EXAMPLE}")
    return LabelClass(words, text, place)


def _refuse_repetition(classes: Sequence[LabelClass]) -> None:
    for kind in ("name", "instruction"):
        seen: dict[str, LabelClass] = {}
        for entry in classes:
            before = seen.setdefault(getattr(entry, kind), entry)
            if before is not entry:
                raise InputError(
                    f"{entry.place}: the {kind} {getattr(entry, kind)!r} appears twice, first in {before.place}: "
                    "remove one, or give them different words"
                )
