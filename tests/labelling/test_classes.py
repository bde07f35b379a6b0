"""Files of classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from instructsam.errors import InputError
from instructsam.labelling.classes import class_list

PAIRS = [("mug", "the mugs: all of them"), ("plate", "plate")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.txt", "\ufeffmug: the mugs: all of them\nplate\n"),
        ("c.names", "mug:the mugs: all of them\r\nplate"),
        ("c.yaml", "mug: 'the mugs: all of them'\nplate:\n"),
        ("c.csv", "name,instruction\nmug,the mugs: all of them\nplate,\n"),
        ("c.csv", "Name;Instruction\nmug;the mugs: all of them\nplate;plate\n"),
        ("c.tsv", "name\tinstruction\nmug\tthe mugs: all of them\nplate\tplate\n"),
    ],
)
def test_formats(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    found = class_list([], path)
    assert [(entry.name, entry.instruction) for entry in found.classes] == PAIRS
    assert found.notes == ()


def test_a_list_and_further_instructions(tmp_path: Path) -> None:
    path = tmp_path / "c.yml"
    path.write_text("- mug\n- plate\n")
    found = class_list(["the red cups"], path)
    assert found.labels == {"mug": "mug", "plate": "plate", "the red cups": "the red cups"}


def test_empty_lines_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "c.txt"
    path.write_text("mug\n\n  \nplate\n")
    assert class_list([], path).notes == (f"{path}: empty lines are skipped: 2, 3",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.txt", "mug\nplate\nmug\n", r"line 3: the name 'mug' appears twice, first in .*c.txt, line 1"),
        ("c.txt", "a: mugs\nb: mugs\n", "line 2: the instruction 'mugs' appears twice"),
        ("c.txt", "mug:\n", "line 1: the instruction is empty"),
        ("c.txt", ": mugs\n", "line 1: the name is empty"),
        ("c.txt", "\n\n", "has no class"),
        ("c.yaml", "mug: a\nmug: b\n", "the key 'mug' appears twice"),
        ("c.yaml", "mug: 3\n", "expected text, got"),
        ("c.yaml", "just words\n", "expected lines such as"),
        ("c.csv", "label\nmug\n", "expected the column names"),
        ("c.csv", "name,instruction\nmug\n", "line 2: expected 2 fields"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        class_list([], path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match="not UTF-8"):
        class_list([], tmp_path / "c.txt")
    with pytest.raises(InputError, match="cannot be read"):
        class_list([], tmp_path / "absent.txt")


@pytest.mark.parametrize("text", ["no: the mugs", "mug: on", "12: the plates", "- yes"])
def test_yaml_values_that_are_no_text_need_quotes(tmp_path: Path, text: str) -> None:
    file = tmp_path / "classes.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"class 1: expected text, got .*: put it in quotes"):
        class_list([], file)
