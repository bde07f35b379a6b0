"""Real processes on the CPU (gloo), as `python -m torch.distributed.run` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from instructsam.data.record import write_records
from instructsam.errors import InstructSAMError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.distributed import evaluate_together, own_device
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.runs.predictions import read_predictions
from instructsam.evaluation.runs.shards import Shard
from tests.evaluation.fakes import HEIGHT, RECORDS, WIDTH, Shifted, make_record
from tests.evaluation.many_processes import Refusing
from tests.tiny import tiny_pair

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "tests.evaluation.many_processes"


def launch(processes: int, *program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*command, "--nproc_per_node", str(processes), *program],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures with two or three instructions each."""
    path = tmp_path / "data"
    path.mkdir()
    records = []
    for number in range(5):
        name = f"{number}.png"
        Image.new("RGB", (WIDTH, HEIGHT), (40 * number, 90, 20)).save(path / name)
        for one in RECORDS[:2] if number % 2 else RECORDS[:3]:
            groups = [[round(i.box_xywh[0]) for i in phrase.instances] for phrase in one.phrases]
            records.append(make_record(f"{number}-{one.id}", name, one.instruction, groups, one.family))
    write_records(path / "records.jsonl", records)
    return path


def test_only_auto_becomes_one_gpu_per_process() -> None:
    assert own_device("cpu", Shard(1, 2, 1)) == "cpu"
    assert own_device("auto", Shard()) == "auto"


def test_a_process_that_ends_before_all_have_met_is_reported(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise torch.distributed.DistNetworkError("Failed to recv")

    monkeypatch.setattr(torch.distributed, "init_process_group", lost)
    with pytest.raises(InstructSAMError, match="another of the 2 processes ended early"):
        evaluate_together(Shifted(), Benchmark.from_folder(folder), Shard(1, 2, 1), tmp_path / "p.jsonl")


@pytest.mark.slow
def test_two_and_three_processes_score_like_one(folder: Path, tmp_path: Path) -> None:
    one = evaluate(Shifted(), Benchmark.from_folder(folder))
    for processes in (2, 3):
        out = tmp_path / f"run-{processes}"
        out.mkdir()
        done = launch(processes, "-m", SCRIPT, str(out), str(folder), "lives")
        assert done.returncode == 0, done.stderr[-3000:]
        report = json.loads(done.stdout)  # one document: only the main process prints
        assert report["summary"] == json.loads(one.to_json())["summary"]
        assert report["provenance"]["data"] == one.provenance["data"]
        assert report["provenance"]["processes"] == processes
        assert len(list(read_predictions(out / "predictions.jsonl"))) == 13
        assert not list(out.glob("*.part-*"))
        asked = [int((out / f"asked-{rank}").read_text()) for rank in range(processes)]
        assert sum(asked) == 13
        assert min(asked) >= 2


@pytest.mark.slow
def test_a_killed_run_goes_on_with_another_number_of_processes(folder: Path, tmp_path: Path) -> None:
    one = evaluate(Shifted(), Benchmark.from_folder(folder))
    out = tmp_path / "run"
    out.mkdir()
    assert launch(2, "-m", SCRIPT, str(out), str(folder), "dies").returncode != 0
    kept = sum(len(path.read_text().splitlines()) - 1 for path in out.glob("*.part-*"))
    assert kept >= 2
    for path in out.glob("asked-*"):
        path.unlink()
    done = launch(3, "-m", SCRIPT, str(out), str(folder), "lives")
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["summary"] == json.loads(one.to_json())["summary"]
    assert sum(int(path.read_text()) for path in out.glob("asked-*")) == 13 - kept


@pytest.mark.slow
def test_records_without_an_answer_count_the_same_in_two_processes(folder: Path, tmp_path: Path) -> None:
    one = evaluate(Refusing(), Benchmark.from_folder(folder)).to_dict()
    assert one["summary"]["overall"]["unanswered"] == 3
    reports = []
    for _ in range(2):  # the second one tries them again
        done = launch(2, "-m", SCRIPT, str(tmp_path), str(folder), "refuses")
        assert done.returncode == 0, done.stderr[-3000:]
        reports.append(json.loads(done.stdout))
        lines = list(read_predictions(tmp_path / "predictions.jsonl"))
        assert len(lines) == 13, "the same reason is not written twice"
    assert [report["summary"] for report in reports] == [one["summary"]] * 2
    assert [report["unanswered"] for report in reports] == [one["unanswered"]] * 2


@pytest.mark.slow
def test_the_command_with_a_tiny_model(folder: Path, tmp_path: Path) -> None:
    model, processor = tiny_pair()
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    program = ["-m", "instructsam", "evaluate", str(tmp_path / "model"), str(folder), "--mode", "direct"]
    summaries = []
    for processes in (1, 2):
        out = tmp_path / f"run-{processes}"
        done = launch(processes, *program, "--json", "--score-threshold", "0.2", "--out", str(out))
        assert done.returncode == 0, done.stderr[-3000:]
        summaries.append(json.loads(done.stdout)["summary"])
        assert (out / "report.html").is_file()
        assert json.loads((out / "report.json").read_text())["summary"] == summaries[-1]
    assert summaries[0] == summaries[1]
    assert summaries[0]["overall"]["instructions"] == 13
    refused = launch(2, *program)
    assert refused.returncode != 0
    assert "give --out FOLDER" in refused.stderr
