"""Serialised files are read as data, and what would run code is refused."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from instructsam.data.formats.plain_objects import read_plain_objects
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
