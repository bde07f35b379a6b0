"""Two processes on the CPU (gloo), as `python -m torch.distributed.run` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.training.conftest import run, tiny

SCRIPT = Path(__file__).with_name("two_processes.py")


LAUNCHER = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")


def launch(*words: str, timeout: float = 240) -> str:
    done = subprocess.run(
        [*LAUNCHER, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.slow
def test_two_processes_train_like_one_with_the_double_batch(tmp_path: Path) -> None:
    settings = (
        "optim.lr=1e-4",
        "optim.muon_lr=1e-4",
        "schedule.total_steps=2",
    )
    said = launch(str(SCRIPT), "fresh", *tiny(tmp_path / "two", *settings, "data.images_per_batch=1"))
    assert "2 processes on cpu" in said
    assert said.count("step 2/2") == 1
    run(None, tiny(tmp_path / "one", *settings, "data.images_per_batch=2"))
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for one, two in zip(*logs, strict=True):
        assert one["instructions"] == two["instructions"]
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-4)
        assert one["parts"] == pytest.approx(two["parts"], rel=1e-4, abs=2e-5)  # logged to 5 places


@pytest.mark.slow
def test_two_processes_resume_exactly(tmp_path: Path) -> None:
    long = ("schedule.total_steps=3", "optim.muon_lr=1e-3", "loss.objectives.denoising=1")
    launch(str(SCRIPT), "fresh", *tiny(tmp_path / "whole", *long))
    launch(str(SCRIPT), "fresh", *tiny(tmp_path / "sliced", *long, "schedule.max_minutes=1e-9"))
    launch(str(SCRIPT), "resume", *tiny(tmp_path / "sliced", *long))
    one, other = (
        load_file(tmp_path / name / "checkpoints" / "step-00000003" / "model.safetensors")
        for name in ("whole", "sliced")
    )
    worst = max((float((one[key] - other[key]).abs().max()), key) for key in one)
    assert worst[0] <= 1e-6, worst


@pytest.mark.slow
def test_a_time_box_that_ends_between_stages_is_a_success(tmp_path: Path) -> None:
    kept = ("data.", "device", "schedule.", "optim.")
    changes = [one for one in tiny(tmp_path) if one.startswith(kept)]
    (tmp_path / "one.yaml").write_text(
        f"output_dir: {tmp_path}/one\nmodel: {{preset: tiny, vocab_size: 400, tokenizer_texts: 300}}\n"
    )
    (tmp_path / "two.yaml").write_text(f"output_dir: {tmp_path}/two\nmodel: {{path: {tmp_path}/one/model}}\n")
    stages = [str(tmp_path / name) for name in ("one.yaml", "two.yaml")]
    # less than stages.LEAST_MINUTES: whatever stage one takes, nothing is left for stage two
    words = (
        "-m",
        "instructsam",
        "train",
        *stages,
        *changes,
        "schedule.total_steps=1",
        "--max-minutes",
        "0.19",
    )
    said = launch(*words)
    assert "step 1/1" in said
    assert (tmp_path / "one" / "model" / "model.safetensors").is_file()
    assert not (tmp_path / "two").exists()
