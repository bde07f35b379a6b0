"""The ledger in a folder: parts survive, damage is found, several writers share it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructsam.engine.ledger import index as index_module
from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.ledger.lines import format_part, parse_part
from instructsam.engine.tasks import Part, Usage
from instructsam.errors import InputError


def part(number: int, stage: str = "propose", text: str = "a") -> Part:
    key = hashlib.sha256(f"{stage} {number}".encode()).hexdigest()[:32]
    return Part(key, stage, f"row-{number // 2}", {"text": text, "number": number}, Usage(number, 1))


def fill(folder: Path, numbers: range, segment: str = "main") -> None:
    with Ledger(folder, segment) as ledger:
        for number in numbers:
            ledger.append(part(number))


def test_a_line_is_canonical_and_comes_back() -> None:
    made = Part("00ff", "verify", "ä/1.png", {"b": [1, 2.5, None], "a": "ü\n"}, Usage(3, 4))
    line = format_part(made)
    assert (
        line
        == (
            '{"data":{"a":"ü\\n","b":[1,2.5,null]},"key":"00ff","row":"ä/1.png","stage":"verify",'
            '"usage":{"input_tokens":3,"output_tokens":4}}\n'
        ).encode()
    )
    assert parse_part(line, "line") == made


@pytest.mark.parametrize("value", [float("nan"), "\ud800", {"a": {1, 2}}], ids=repr)
def test_data_that_are_no_json_are_refused(value: object) -> None:
    with pytest.raises(InputError, match="must be JSON values"):
        format_part(Part("00", "verify", "row", {"value": value}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(), JSON, max_size=4), st.text())
def test_every_part_comes_back_from_its_line(data: dict[str, object], row: str) -> None:
    made = Part("00", "verify", row, data)
    line = format_part(made)
    assert line.count(b"\n") == 1
    assert parse_part(line, "line") == made
    assert format_part(parse_part(line, "line")) == line


def test_parts_survive_in_order(tmp_path: Path) -> None:
    fill(tmp_path, range(5))
    fill(tmp_path, range(3, 8))
    with Ledger(tmp_path) as ledger:
        assert len(ledger) == 8
        assert list(ledger.parts()) == [part(number) for number in range(8)]
        assert ledger.get(part(6).key) == part(6)
        assert part(6).key in ledger
        assert ledger.get("ab" * 16) is None
        assert ledger.parts_of("row-1") == [part(2), part(3)]
        assert ledger.stages() == {"propose": 8}
        with pytest.raises(InputError, match="open to read"):
            ledger.append(part(9))
    assert (tmp_path / "main.jsonl").read_bytes() == b"".join(format_part(part(n)) for n in range(8))


def test_parts_are_there_at_once(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main") as ledger:
        ledger.append(part(0))
        ledger.append(part(0, text="another"))
        assert ledger.get(part(0).key) == part(0)
        assert ledger.parts_of("row-0") == [part(0)]
        assert len(ledger) == 1
        assert (tmp_path / "main.jsonl").read_bytes() == format_part(part(0)), "written before it is indexed"


def test_stages_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "PAGE", 3)
    with Ledger(tmp_path, "main") as ledger:
        for number in range(10):
            ledger.append(part(number))
            ledger.append(part(number, "outcome"))
        assert list(ledger.parts("outcome")) == [part(number, "outcome") for number in range(10)]
        assert ledger.stages() == {"outcome": 10, "propose": 10}


def test_an_incomplete_last_line_is_dropped_and_reported(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    path = tmp_path / "main.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + format_part(part(3))[:-5])
    with Ledger(tmp_path) as reader:
        assert len(reader) == 3
        assert reader.notes == ()
    assert path.read_bytes() != whole, "a reader changes nothing: the writer may be at work"
    with Ledger(tmp_path, "main") as ledger:
        assert "last line was incomplete" in ledger.notes[0]
        ledger.append(part(3))
    assert path.read_bytes() == whole + format_part(part(3))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\0\0\0\n", "Invalid JSON"),
        (b"[1]\n", "should be an object"),
        (b'{"key":"00"}\n', "stage: Field required"),
        (format_part(part(1)).replace(b'"key":"', b'"key":"x'), "hexadecimal"),
        (
            format_part(part(1)).replace(b'"output_tokens":1', b'"output_tokens":null'),
            "usage.output_tokens: Input should be a valid integer",
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    (tmp_path / "main.jsonl").write_bytes(format_part(part(0)) + line + format_part(part(2)))
    with pytest.raises(InputError, match=r"main\.jsonl, line 2: expected a part") as caught:
        Ledger(tmp_path, "main")
    assert problem in str(caught.value)
    (tmp_path / "main.jsonl").write_bytes(format_part(part(0)))
    Ledger(tmp_path, "main").close()  # the lock was released


def test_damage_behind_indexed_lines_has_the_right_number(tmp_path: Path) -> None:
    fill(tmp_path, range(4))
    with (tmp_path / "main.jsonl").open("ab") as stream:
        stream.write(b"?\n")
    with pytest.raises(InputError, match=r"main\.jsonl, line 5"):
        Ledger(tmp_path)


def test_the_first_of_equal_keys_counts_across_segments(tmp_path: Path) -> None:
    first, second = part(0, text="first"), part(0, text="second")
    (tmp_path / "b.jsonl").write_bytes(format_part(second) + format_part(part(1)))
    with Ledger(tmp_path) as ledger:
        assert ledger.get(first.key) == second
        (tmp_path / "a.jsonl").write_bytes(format_part(first) + format_part(second))
        ledger.refresh()
        assert ledger.get(first.key) == first, "the order of segments decides, as after a rebuild"
        assert list(ledger.parts()) == [first, part(1)]
    (tmp_path / "index.sqlite").unlink()
    with Ledger(tmp_path) as ledger:
        assert list(ledger.parts()) == [first, part(1)]


def make_other_version(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("DELETE FROM parts")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"no database" * 1000),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        make_other_version,
    ],
    ids=["foreign", "empty", "gone", "version"],
)
def test_an_index_that_does_not_fit_is_rebuilt(tmp_path: Path, spoil: object) -> None:
    fill(tmp_path, range(4))
    assert callable(spoil)
    spoil(tmp_path / "index.sqlite")
    with Ledger(tmp_path, "main") as ledger:
        assert list(ledger.parts()) == [part(number) for number in range(4)]


def test_changed_segments_are_indexed_again(tmp_path: Path) -> None:
    fill(tmp_path, range(4))
    fill(tmp_path, range(4, 8), "other")
    lines = [format_part(part(number)) for number in range(4)]
    (tmp_path / "main.jsonl").write_bytes(b"".join(lines[:2]))
    with Ledger(tmp_path) as ledger:
        assert list(ledger.parts()) == [part(number) for number in (0, 1, 4, 5, 6, 7)]
    (tmp_path / "other.jsonl").unlink()
    (tmp_path / "main.jsonl").write_bytes(b"".join(reversed(lines)))
    with Ledger(tmp_path) as ledger:
        assert list(ledger.parts()) == [part(number) for number in (3, 2, 1, 0)]


def test_only_the_rest_of_a_segment_is_scanned(tmp_path: Path) -> None:
    fill(tmp_path, range(4))
    path = tmp_path / "main.jsonl"
    path.write_bytes(b"?" + path.read_bytes()[1:] + format_part(part(4)))
    with Ledger(tmp_path) as ledger:
        assert ledger.get(part(4).key) == part(4)
        with pytest.raises(InputError, match=r"main\.jsonl, byte 0: expected a part"):
            ledger.get(part(0).key)


def test_one_writer_per_segment(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from instructsam.engine.ledger.ledger import Ledger\n"
        "Ledger(Path(sys.argv[1]), sys.argv[2])"
    )
    with Ledger(tmp_path, "main") as ledger:
        with pytest.raises(InputError, match="already writing there"):
            Ledger(tmp_path, "main")
        ledger.append(part(0))
        done = [
            subprocess.run(
                [sys.executable, "-c", code, tmp_path, name], capture_output=True, text=True, check=False
            )
            for name in ("main", "other")
        ]
    assert "another process is writing there" in done[0].stderr
    assert done[1].returncode == 0, done[1].stderr
    with pytest.raises(InputError, match="segment's name"):
        Ledger(tmp_path, "../x")


def test_threads_and_two_segments_share_one_folder(tmp_path: Path) -> None:
    with Ledger(tmp_path, "a") as first, Ledger(tmp_path, "b") as second:

        def work(ledger: Ledger, numbers: range) -> None:
            for number in numbers:
                ledger.append(part(number))
                assert ledger.get(part(number).key) == part(number)

        jobs = [
            threading.Thread(target=work, args=(ledger, range(start, start + 60)))
            for ledger, start in ((first, 0), (first, 30), (second, 90), (second, 120))
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        second.flush()
        first.refresh()
        assert first.get(part(179).key) == part(179)
    with Ledger(tmp_path) as ledger:
        assert {found.key for found in ledger.parts()} == {part(number).key for number in range(180)}
        assert len(ledger) == 180
    lines = [line for name in "ab" for line in (tmp_path / f"{name}.jsonl").read_bytes().splitlines()]
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 180


def test_an_index_cleared_by_another_process_is_completed(tmp_path: Path) -> None:
    with Ledger(tmp_path, "main") as ledger:
        ledger.append(part(0))
        ledger.flush()
        ledger.append(part(1))
        with sqlite3.connect(tmp_path / "index.sqlite") as connection:
            connection.execute("DELETE FROM parts")
            connection.execute("DELETE FROM segments")
        ledger.append(part(2))
        ledger.flush()
        assert list(ledger.parts()) == [part(0), part(1), part(2)]


def test_a_full_disk_leaves_the_earlier_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    write = os.write
    with Ledger(tmp_path, "main") as ledger:
        ledger.append(part(0))
        monkeypatch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:10]))
        with pytest.raises(InputError, match=r"no space left.*repeat the command"):
            ledger.append(part(1))
        monkeypatch.undo()
        ledger.append(part(2))
    assert (tmp_path / "main.jsonl").read_bytes() == format_part(part(0)) + format_part(part(2))
