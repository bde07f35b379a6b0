"""Two processes on the CPU (gloo), as `python -m torch.distributed.run` starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from instructsam.training.trainer import run
from tests.training.conftest import tiny

SCRIPT = Path(__file__).with_name("two_processes.py")


def launch(mode: str, overrides: list[str]) -> str:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*command, str(SCRIPT), mode, *overrides],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.slow
def test_two_processes_train_like_one_with_the_double_batch(tmp_path: Path) -> None:
    # only losses that are sums over targets: the others are means per process
    only_masks = (
        "loss.overrides.weights={text: 0, score: 0, presence: 0, semantic_bce: 0, semantic_dice: 0}",
        "optim.lr=1e-4",
        "optim.muon_lr=1e-4",
        "schedule.total_steps=2",
    )
    said = launch("fresh", tiny(tmp_path / "two", *only_masks, "data.scenes_per_batch=1"))
    assert "2 processes on cpu" in said
    assert said.count("step 2/2") == 1
    run(None, tiny(tmp_path / "one", *only_masks, "data.scenes_per_batch=2"))
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    for one, two in zip(*logs, strict=True):
        assert one["instructions"] == two["instructions"]
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-3)
        assert one["parts"]["mask_dice"] == pytest.approx(two["parts"]["mask_dice"], rel=1e-3)


@pytest.mark.slow
def test_two_processes_resume_exactly(tmp_path: Path) -> None:
    long = ("schedule.total_steps=3", "optim.muon_lr=1e-3", "loss.denoising=1")
    launch("fresh", tiny(tmp_path / "whole", *long))
    launch("fresh", tiny(tmp_path / "sliced", *long, "schedule.max_minutes=1e-9"))
    launch("resume", tiny(tmp_path / "sliced", *long))
    one, other = (
        load_file(tmp_path / name / "checkpoints" / "step-00000003" / "model.safetensors")
        for name in ("whole", "sliced")
    )
    worst = max((float((one[key] - other[key]).abs().max()), key) for key in one)
    assert worst[0] <= 1e-6, worst
