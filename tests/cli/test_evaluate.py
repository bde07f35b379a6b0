"""`instructsam evaluate`: which name is which, records that cannot be answered, destinations, odd files."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from instructsam.cli.benchmark_names import model_and_benchmark
from instructsam.cli.tables import print_table
from instructsam.data.record import ImageRef, PhraseRecord, Record, write_records
from instructsam.errors import InputError
from instructsam.structures.locks import FolderLock

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


def make_folder(path: Path, *instructions: str) -> Path:
    """A benchmark folder whose records have no target, one picture each."""
    path.mkdir(parents=True)
    records = []
    for number, text in enumerate(instructions):
        Image.new("RGB", (40, 24), (number, 0, 0)).save(path / f"{number}.png")
        phrases = (PhraseRecord("thing", ()),)
        records.append(Record(f"r{number}", ImageRef(f"{number}.png", 24, 40), text, phrases))
    write_records(path / "records.jsonl", records)
    return path


def make_model(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text("{}")
    return path


def test_a_bare_benchmark_is_a_benchmark(
    command: Command, segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, model = make_folder(tmp_path / "data", "nothing"), make_model(tmp_path / "model")
    cases = {
        (None, None, None): (None, None),
        ("world/val", None, None): (None, "world/val"),
        ("refcoco/testA", None, None): (None, "refcoco/testA"),
        (str(folder), None, None): (None, str(folder)),
        (str(model), None, None): (str(model), None),
        ("owner/name", None, None): ("owner/name", None),
        ("sam3:x", None, None): ("sam3:x", None),
        (str(model), str(folder), None): (str(model), str(folder)),
        ("owner/name", None, "world/val"): ("owner/name", "world/val"),
        ("world/val", "world/val", None): (None, "world/val"),
        ("world/vall", "world/val", None): ("world/vall", "world/val"),
    }
    for given, expected in cases.items():
        assert model_and_benchmark(*given) == expected, given
    code, out, _ = command("evaluate", "world/val", "--limit", "1", "--json")
    assert (code, json.loads(out)["benchmark"]) == (0, "world/val")
    assert segmenter.requests[0] == {"load": None, "device": "auto"}
    code, out, _ = command("robustness", "world/val", "--limit", "1", "--json")
    assert (code, json.loads(out)["benchmark"]) == (0, "world/val")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("world/val", "my-model", None), "the order is MODEL BENCHMARK, write my-model world/val"),
        (("world/val", None, "world/test"), "'world/val' is a benchmark, where the model stands"),
        (("world/vall", None, None), "did you mean 'world/val'?"),
        (("m", "world/val", "world/test"), "two benchmarks are named"),
        (("both", None, None), "'both' is a benchmark and a model folder: write --benchmark both"),
        (("world/test", None, None), "'world/test' is a benchmark and a model folder"),
        (("x" * 5000, "world/val", None), None),
        (("nul\0", "world/val", None), None),
    ],
)
def test_names_that_are_refused(
    given: tuple[str, str | None, str | None],
    said: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_model(make_folder(tmp_path / "both", "nothing"))
    make_model(tmp_path / "world" / "test")
    if said is None:
        assert model_and_benchmark(*given) == given[:2]
        return
    with pytest.raises(InputError) as caught:
        model_and_benchmark(*given)
    assert said in str(caught.value)


def test_what_cannot_be_answered_is_named_and_the_exit_code_is_1(command: Command, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", "nothing", "the mug " * 400, "nothing")
    (folder / "2.png").write_bytes(b"no picture")
    out_folder = tmp_path / "out"
    code, out, err = command("evaluate", folder, "--json", "--out", out_folder)
    assert code == 1
    report = json.loads(out)
    assert report["summary"]["overall"]["unanswered"] == 2
    assert [one["id"] for one in report["unanswered"]] == ["r1", "r2"]
    assert report["summary"]["overall"]["n_acc"] == pytest.approx(1 / 3)
    assert [line.split(":")[0] for line in err.splitlines()] == ["r1", "r2"]
    assert "at most 2000 characters" in err
    code, out, _ = command("evaluate", "--predictions", out_folder, "--json")
    assert (code, json.loads(out)["unanswered"]) == (1, report["unanswered"])


def test_robustness_tells_by_its_exit_code_what_is_unanswered(command: Command, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "data", "nothing", "the mug " * 400)
    code, out, err = command("robustness", "--benchmark", folder, "--json")
    assert code == 1, err
    assert all(
        change["unanswered"] == 1 for change in json.loads(out)["changes"] if change["instructions"] == 2
    )


@pytest.mark.parametrize("name", ["predictions.jsonl", "report.json", "report.md", "report.html", "."])
def test_destinations_are_checked_before_the_model_is_loaded(
    command: Command, segmenter: FakeSegmenter, name: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    if name == ".":
        out.write_text("a file")
    else:
        (out / name).mkdir(parents=True)
    for arguments in (["evaluate", "world/val"], ["calibrate"], ["false-alarms"], ["robustness"]):
        if name != "." and arguments[0] != "evaluate" and (arguments[0] == "robustness" or "report" in name):
            continue
        code, _, err = command(
            *arguments, "--limit" if arguments[0] != "false-alarms" else "--count", 1, "--out", out
        )
        assert (code, err.count("\n"), segmenter.requests) == (2, 1, []), arguments


def test_runs_of_two_precisions_do_not_mix(
    command: Command, segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    assert command("evaluate", "--limit", 1, "--out", tmp_path)[0] == 0
    code, _, err = command("evaluate", "--limit", 1, "--out", tmp_path, "--quantize", "int8")
    assert (code, err.count("\n")) == (2, 1)
    assert "quantize=not given, this run has int8" in err
    assert command("evaluate", "--limit", 2, "--out", tmp_path)[0] == 0


def test_a_limited_run_scored_again_has_no_note_about_the_rest(command: Command, tmp_path: Path) -> None:
    command("evaluate", "--limit", 3, "--out", tmp_path)
    _, out, _ = command("evaluate", "--predictions", tmp_path, "--json")
    report = json.loads(out)
    assert (report["notes"], report["provenance"]["limit"]) == ([], 3)


def test_calibrate_and_false_alarms_resume(
    command: Command, segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    for arguments, file in (
        (("calibrate", "--limit", 3), "calibration.json"),
        (("false-alarms", "--count", 2), "false_alarms.json"),
    ):
        out = tmp_path / file
        first = command(*arguments, "--json", "--out", out)
        calls = len(segmenter.requests)
        assert first[0] == 0
        assert command(*arguments, "--json", "--out", out) == first
        assert len(segmenter.requests) == calls + 1, "only loaded, nothing answered again"
        assert json.loads((out / file).read_text()) == json.loads(first[1])


def test_a_folder_that_is_being_written_is_refused_before_loading(
    command: Command, segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    with FolderLock(tmp_path):
        for name in ("evaluate", "calibrate", "false-alarms", "robustness"):
            code, _, err = command(name, "--out", tmp_path)
            assert (code, err.count("\n"), segmenter.requests) == (2, 1, []), name
            assert "already writing there" in err


def test_arrows_on_a_terminal_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    print_table("gIoU ↑ dup/img ↓ é 杯")
    stream.flush()
    assert stream.buffer.getvalue().decode("cp1252") == "gIoU ^ dup/img v é \\u676f\n"  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_run_that_is_killed_keeps_its_answers(tmp_path: Path) -> None:
    arguments = ["evaluate", "world/val", "--limit", "60", "--json", "--out"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out: Path) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-m", "instructsam", *arguments, str(out)]
        return subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = json.loads(start(whole).communicate(timeout=240)[0])
    running = start(killed)
    path = killed / "predictions.jsonl"
    deadline = time.monotonic() + 240
    while not path.is_file() or path.read_bytes().count(b"\n") < 8:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGSTOP)
    second = start(killed).communicate(timeout=240)
    assert b"another process is writing there" in second[1]
    running.send_signal(signal.SIGKILL)
    running.communicate()
    kept = path.read_bytes().count(b"\n") - 1
    report = json.loads(start(killed).communicate(timeout=240)[0])
    assert kept >= 7
    assert report["summary"] == expected["summary"]
    lines = path.read_text().splitlines()
    assert len({json.loads(line)["id"] for line in lines[1:]}) == len(lines) - 1 == 60


def test_scores_are_not_written_into_a_folder_in_use(command: Command, tmp_path: Path) -> None:
    assert command("evaluate", "--limit", 1, "--out", tmp_path)[0] == 0
    before = (tmp_path / "report.json").read_bytes()
    with FolderLock(tmp_path):
        code, _, err = command("evaluate", "--predictions", tmp_path, "--out", tmp_path)
        assert (code, err.count("\n")) == (2, 1)
        assert "already writing there" in err
        assert command("evaluate", "--predictions", tmp_path)[0] == 0  # reading is free
    assert (tmp_path / "report.json").read_bytes() == before
    assert command("evaluate", "--predictions", tmp_path, "--out", tmp_path)[0] == 0
