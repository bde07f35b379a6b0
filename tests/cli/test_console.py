"""Streams of every kind: narrow encodings, closed, full, unwritable."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from instructsam.cli import console
from instructsam.cli.main import main

from .conftest import FakeSegmenter

WORDS = "the 杯 of Œuvre \u2028 \U0001f37a"
Run = Callable[..., tuple[int, bytes, bytes]]


@pytest.fixture(params=["ascii", "cp1252", "utf-16"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, segmenter: FakeSegmenter) -> Run:
    """Runs `main` with streams of an encoding that refuse what they cannot show, as a user's may."""
    encoding: str = request.param

    def call(*arguments: object) -> tuple[int, bytes, bytes]:
        streams = {name: io.TextIOWrapper(io.BytesIO(), encoding, "strict") for name in ("stdout", "stderr")}
        for name, stream in streams.items():
            monkeypatch.setattr(sys, name, stream)
        monkeypatch.setattr(sys, "argv", ["instructsam", *map(str, arguments)])
        code = main()
        found = []
        for stream in streams.values():
            stream.flush()
            assert isinstance(stream.buffer, io.BytesIO)
            found.append(stream.buffer.getvalue())
        return code, found[0], found[1]

    return call


def test_a_letter_that_the_encoding_lacks_loses_nothing(run: Run, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Ω"
    folder.mkdir()
    photo.rename(folder / "杯.png")
    out = tmp_path / "out"
    code, text, _ = run("segment", folder, WORDS, "--out", out)
    assert code == 0
    assert b"480" in text.replace(b"\0", b"")
    results = json.loads((out / "predictions.json").read_text("utf-8"))["results"]
    assert [(Path(one["image"]).name, one["instruction"]) for one in results] == [("杯.png", WORDS)]
    code, text, _ = run("segment", folder, WORDS, "--json")
    assert code == 0
    assert b"instances" in text.replace(b"\0", b"")
    code, _, err = run("segment", folder / "absent 杯.png", WORDS)
    assert code == 2
    assert b"absent" in err.replace(b"\0", b"")


def test_other_commands(run: Run, tmp_path: Path) -> None:
    assert run("--help")[0] == run("segment", "--help")[0] == run("--version")[0] == 0
    out = tmp_path / "杯"
    assert run("world", "sample", "--count", "1", "--out", out)[0] == 0
    assert run("evaluate", "--limit", "1", "--out", out / "run")[0] == 0
    assert run("data", "check", out)[0] == 0
    assert run("doctor", out / "absent.bin")[0] == 2
    assert run("compare", out / "run", out / "run", "--resamples", "10")[0] == 0
    assert run("nonsense 杯")[0] == 2


def test_a_stderr_that_is_full_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    console.note("a note")


@pytest.mark.parametrize("closed", [("stdout",), ("stderr",), ("stdout", "stderr")])
def test_closed_streams(monkeypatch: pytest.MonkeyPatch, closed: tuple[str, ...]) -> None:
    for name in closed:
        monkeypatch.setattr(sys, name, None)  # as Python does for `>&-`
    for arguments, code in ((["--version"], 0), (["nonsense"], 2)):
        monkeypatch.setattr(sys, "argv", ["instructsam", *arguments])
        assert main() == code
    for name in closed:
        getattr(sys, name).close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["segment", "PHOTO", "left", "--json"], ["segment", "PHOTO", "left"]]
)
def test_a_full_stdout_is_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    photo: Path,
    segmenter: FakeSegmenter,
    arguments: list[str],
) -> None:
    words = [str(photo) if word == "PHOTO" else word for word in arguments]
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["instructsam", *words])
        assert main() == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "No space left on device" in err
