"""Messages that say where and how to fix it, and files that are not what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.source import (
    Node,
    Tally,
    end_of_url,
    files_in,
    image_ref,
    left_out_lines,
    read_json,
)
from instructsam.errors import RecordError


def test_places_are_written_as_one_would_type_them() -> None:
    top = Node([{"a": [{"b": 1}]}], Path("f.json"))
    node = next(next(top.items())["a"].items())["b"]
    assert node.place == "[0].a[0].b"
    with pytest.raises(
        RecordError, match=r"f.json, at \[0\].a\[0\].b: expected a list, got 1; correct this place"
    ):
        list(node.items())
    with pytest.raises(RecordError, match=r"at \[0\]: the field 'c' is missing \(there are a\)"):
        next(top.items())["c"]
    with pytest.raises(RecordError, match=r"\(there are 'a\\n\\x1b', b\)"):
        Node({"a\n\x1b": 1, "b": 2}, Path("f.json"))["c"]
    with pytest.raises(RecordError, match=r"f.json: expected a JSON object, got \[\{'a'"):
        top["a"]


@pytest.mark.parametrize(
    ("method", "value", "message"),
    [
        ("text", " ", "text that is not empty"),
        ("whole", 1.5, "a whole number, got 1.5"),
        ("whole", True, "a whole number, got True"),
        ("side", 0, "a positive whole number of pixels, got 0"),
        ("name", None, "an id, a number or text, got None"),
        ("name", 10**5000, "an id, a number or text, got with thousands of digits"),
        ("name", "\ud83d", "f.json, at the top contains a lone surrogate"),
        ("text", "half \udc80", "f.json, at the top contains a lone surrogate"),
        ("whole", 10**400, "a whole number, got 1000"),
        ("whole", float("inf"), "a whole number, got inf"),
        ("flag", "0", "true, false, 1 or 0, got '0'"),
        ("flag", 2, "true, false, 1 or 0, got 2"),
        ("flag", 1.0, "true, false, 1 or 0, got 1.0"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) else "number",
)
def test_kinds_are_checked(method: str, value: Any, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        getattr(Node(value, Path("f.json")), method)()


def test_files_that_are_no_json(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    with pytest.raises(RecordError, match=r"f.json: cannot be read \(No such file"):
        read_json(path)
    path.write_text("[1,\n 2")
    with pytest.raises(
        RecordError, match=r"f.json: this is not JSON .*line 2, column 3\); fetch the file again"
    ):
        read_json(path)
    path.write_bytes(b'"\xe9"')
    with pytest.raises(RecordError, match=r"f.json is not UTF-8 text \(byte 1 is 0xe9\)"):
        read_json(path)
    path.write_bytes(b"\xef\xbb\xbf[]")
    assert read_json(path).value == []
    assert read_json(path, or_else="cp1252").value == []
    path.write_bytes(b'["\x81"]')  # no letter of cp1252 either
    with pytest.raises(RecordError, match=r"f.json is not UTF-8 text"):
        read_json(path, or_else="cp1252")
    with pytest.raises(RecordError, match="cannot be read"):
        read_json(tmp_path / "nul\0.json")


def test_hidden_files_of_operating_systems_are_not_listed(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "._a.json", ".DS_Store", "Thumbs.db", "desktop.ini", "a.txt"):
        (tmp_path / name).write_text("x")
    assert [path.name for path in files_in(tmp_path, ".json")] == ["a.json", "b.json"]
    with pytest.raises(RecordError, match="the folder cannot be listed"):
        files_in(tmp_path / "absent", ".json")


def test_a_picture_of_too_many_pixels_is_refused() -> None:
    for sides in ((10**6, 10**6), (1e300, 1), (10**29, 3)):
        node = Node({"height": sides[0], "width": sides[1]}, Path("f.json"))
        with pytest.raises(
            RecordError, match=r"f.json, at height: \[height, width\] must have at most 178956970"
        ):
            image_ref("a.jpg", node)


@pytest.mark.parametrize("file", ["x/a\0.jpg", "x/\x1b[2J.jpg", "x/..", "/a", "x\\/a.jpg"])
def test_no_path_leaves_the_folder_or_steers_a_terminal(file: str) -> None:
    with pytest.raises(RecordError):
        end_of_url(Node(file, Path("f.json")))
    if file != "x/..":
        with pytest.raises(RecordError, match="a path with forward slashes"):
            Node(file, Path("f.json")).path()


def test_a_tally_counts_reasons() -> None:
    tally = Tally()
    for reason, count in (("b", 1), ("a", 2), ("b", 3), ("c", 0)):
        tally.leave_out(reason, count)
    assert tally.lines() == ["left out: 4 x b", "left out: 2 x a"]


def test_a_tally_keeps_the_first_place() -> None:
    tally = Tally()
    tally.leave_out("a", example="[3].mask")
    tally.leave_out("a", example="[4].mask")
    assert tally.lines() == ["left out: 2 x a"]
    assert left_out_lines(tally.left_out, tally.examples) == ["left out: 2 x a (such as [3].mask)"]
