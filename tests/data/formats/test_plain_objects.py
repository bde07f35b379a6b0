"""Serialised files are read as data, and what would run code is refused."""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import tracemalloc
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.plain_objects import _PlainUnpickler, read_plain_objects
from instructsam.data.formats.source import Node
from instructsam.errors import RecordError

REFS: list[Any] = [
    {
        "ref_id": 1,
        "ann_id": 1719310,
        "file_name": "COCO_train2014_000000581857_16.jpg",
        "sentences": [{"sent": "navy blue shirt", "tokens": ["navy", "blue", "shirt"], "sent_id": 0}],
        "sent_ids": [0, 1, 2],
        "split": "train",
    },
    (1, -2, 2**40, -(2**70), 1.5, True, False, None, "é", b"bytes", (), (1,), (1, 2), (1, 2, 3, 4), {}, []),
]


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_comes_back(tmp_path: Path, protocol: int) -> None:
    value = REFS if protocol > 2 else [REFS[0], tuple(one for one in REFS[1] if one != b"bytes")]
    shared = [value, value]
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps(shared, protocol))
    assert read_plain_objects(path) == shared
    path.write_bytes(pickle.dumps([[{n: str(n) for n in range(3000)}, list(range(3000))]], protocol))
    assert read_plain_objects(path) == pickle.loads(path.read_bytes())


def test_text_of_python_2_is_read(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(b"(lp0\n(dp1\nS'sent'\np2\nS'the red one'\np3\nsS'ref_id'\np4\nI7\nsa.")
    assert read_plain_objects(path) == [{"sent": "the red one", "ref_id": 7}]


class Runs:
    def __reduce__(self) -> Any:
        return (os.mkdir, (str(Path(os.environ["PLAIN_OBJECTS_TEST"]) / "made"),))


@pytest.mark.parametrize("protocol", range(6))
def test_a_file_that_would_run_code_is_refused(
    tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIN_OBJECTS_TEST", str(tmp_path))
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps([Runs()], protocol))
    with pytest.raises(
        RecordError, match=r"refs.p, byte \d+: expected plain data .* got the instruction \w+"
    ):
        read_plain_objects(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("value", [Fraction(1, 2), OrderedDict(a=1), {1, 2}, Path("a"), print])
def test_even_harmless_objects_are_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps(value))
    with pytest.raises(RecordError, match="convert the file to JSON with a program that you trust"):
        read_plain_objects(path)


def test_broken_files_are_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    with pytest.raises(RecordError, match=r"refs.p: cannot be read"):
        read_plain_objects(path)
    whole = pickle.dumps(REFS, 4)
    for stop in (0, 1, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:stop])
        with pytest.raises(RecordError, match="fetch it again"):
            read_plain_objects(path)
    path.write_bytes(b"a.")
    with pytest.raises(RecordError, match="fetch it again"):
        read_plain_objects(path)
    path.write_bytes(b"(I1\nd.")
    with pytest.raises(RecordError, match="a key without a value"):
        read_plain_objects(path)


def doubling(levels: int, wide: int = 2) -> bytes:
    """Lists that hold the one before several times: a few bytes a level for `wide` to the power of `levels` values."""
    content = b"\x80\x02]q\x00"
    for level in range(levels):
        content += (
            b"](" + b"h" + bytes([level]) + (b"h" + bytes([level])) * (wide - 1) + b"eq" + bytes([level + 1])
        )
    return content + b"."


@pytest.mark.parametrize(
    "content",
    [
        doubling(60),
        doubling(200, wide=9),
        b"\x80\x02]q\x00(" + b"h\x00" * 50 + b"e.",  # a list inside itself
        b"\x80\x02]q\x00}q\x01(X\x01\x00\x00\x00ah\x00ua.",  # a dictionary that holds the list that holds it
    ],
    ids=["doubling", "ninefold", "list in itself", "list in its dictionary"],
)
def test_a_file_that_repeats_itself_without_end_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(
        RecordError, match=r"refs.p: expected a list of references, got containers inside themselves"
    ):
        read_plain_objects(path)


def test_a_list_that_is_named_a_few_times_is_read(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    shared = [1, 2, 3]
    path.write_bytes(pickle.dumps([shared] * 8, 2))
    assert read_plain_objects(path) == [shared] * 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}(" + b")" * 1 + b"\x85" * 50_000 + b"K\x01u.", "a tuple as a key"),
        (b"\x80\x02}q\x00(h\x00K\x01u.", "a dict as a key"),
        (b"}I1\na.", "items for a dict where a list is expected"),
        (b"]I1\nI2\ns.", "items for a list where a dict is expected"),
        (b"NI1\na.", "items for a NoneType where a list is expected"),
        (b"\x80\x02]" + b"\x8b" + (2000).to_bytes(4, "little") + b"\x7f" * 2000 + b"a.", "fits no field"),
        (b"L" + b"9" * 5000 + b"L\n.", "fetch it again"),
        (b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"ab.", "fetch it again"),
        (b"\x80\x04\x8d" + (2**34).to_bytes(8, "little") + b"ab.", "fetch it again"),
    ],
    ids=range(9),
)
def test_whatever_a_file_builds_wrongly_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=message) as caught:
        read_plain_objects(path)
    assert len(str(caught.value)) < len(str(path)) + 150


def test_deep_nesting_is_read_without_recursion(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(b"\x80\x02)" + b"\x85" * 50_000 + b".")
    top = Node(read_plain_objects(path), path)
    with pytest.raises(RecordError, match=r"expected a JSON object, got \(\(\("):
        top["split"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"cos\nmkdir\n.", "GLOBAL"),
        (b"\x8c\x02os\x8c\x05mkdir\x93.", "STACK_GLOBAL"),
        (b"(S'made'\nios\nmkdir\n.", "INST"),
        (b"\x80\x02\x82\x01.", "EXT1"),  # an extension code, whose object the C unpickler takes from a cache
        (b"\x80\x02\x83\x01\x00.", "EXT2"),
        (b"\x80\x02\x84\x01\x00\x00\x00.", "EXT4"),
        (b"Pname\n.", "PERSID"),
        (b"NQ.", "BINPERSID"),
        (b"N)R.", "REDUCE"),
        (b"NNb.", "BUILD"),
        (b"N)\x81.", "NEWOBJ"),
        (b"N)}\x92.", "NEWOBJ_EX"),
        (b"(No.", "OBJ"),
        (b"N2.", "DUP"),
        (b"NN0.", "POP"),
        (b"(N1.", "POP_MARK"),
        (b"\x80\x04\x8f.", "EMPTY_SET"),
        (b"\x80\x04(\x91.", "FROZENSET"),
        (b"\x80\x05\x96" + bytes(8) + b".", "BYTEARRAY8"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x04\x95" + (9).to_bytes(8, "little") + b"N\x82\x01.", "EXT1"),  # in a frame of protocol 4
    ],
)
def test_every_opcode_that_builds_objects_is_refused_by_name(
    tmp_path: Path, content: bytes, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(copyreg._extension_cache, 1, os.mkdir)  # type: ignore[attr-defined]
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"byte \d+: expected plain data .* the instruction {name},"):
        read_plain_objects(path)


def test_the_unpickler_finds_no_class() -> None:
    with pytest.raises(Exception, match=r"^for os\.mkdir$"):
        _PlainUnpickler(io.BytesIO()).find_class("os", "mkdir")


@pytest.mark.parametrize(
    "content",
    [
        b"]r"
        + (2**32 - 1).to_bytes(4, "little")
        + b".",  # a memo index that the C unpickler makes a table for
        b"]p" + b"9" * 4000 + b"\n.",
        b"\x80\x04\x95" + (2**62).to_bytes(8, "little") + b"].",  # a frame of 4 exbibytes
    ],
)
def test_a_number_in_a_file_reserves_no_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    tracemalloc.start()
    assert read_plain_objects(path) == []
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content", [b"\x80\x09N.", b"g0\n.", b"\xffN.", b"(lp-1\n.", b"N", b"e.", b"\x85.", b"Nj\x00"]
)
def test_a_stream_that_no_pickler_wrote_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(content)
    with pytest.raises(
        RecordError, match=r"byte \d+: this is not a whole serialised file \(.*fetch it again"
    ):
        read_plain_objects(path)
