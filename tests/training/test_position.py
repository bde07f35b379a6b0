"""The position in the data is the number of samples drawn, whatever makes the batches."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from instructsam.config import load_config
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.checkpointing import checkpoint_folder, read_state
from instructsam.training.settings import RunConfig
from instructsam.training.stream import TrainingBatches
from instructsam.training.updates import position_of
from tests.training.conftest import run, tiny
from tests.training.test_distributed import LAUNCHER
from tests.training.test_stream import small, stream

SCRIPT = Path(__file__).with_name("drawn_samples.py")


def start(*words: str, launcher: tuple[str, ...] = (sys.executable,)) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launcher, str(SCRIPT), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def steps(file: Path) -> list[list[int]]:
    return [[int(number) for number in line.split()] for line in file.read_text().splitlines()]


@pytest.mark.slow
def test_a_killed_run_of_two_processes_continues_on_one(tmp_path: Path) -> None:
    settings = tiny(tmp_path / "run", "schedule.checkpoint_minutes=0", "model.overrides.dropout=0.1")
    before = tmp_path / "before.txt"
    killed = start(str(before), "3", "fresh", *settings, launcher=LAUNCHER)
    assert killed.returncode != 0
    assert sorted(number for step in steps(before) for number in step) == list(range(12))
    for name, more in (
        ("accumulated", ["optim.gradient_accumulation_steps=2"]),
        ("larger", ["data.images_per_batch=4"]),
    ):
        shutil.copytree(tmp_path / "run", tmp_path / name)
        after = tmp_path / f"{name}.txt"
        changed = [*settings, f"output_dir={tmp_path / name}", *more, "schedule.total_steps=5"]
        done = start(str(after), "0", "resume", *changed)
        assert done.returncode == 0, done.stderr[-3000:]
        assert steps(after) == [[12, 13, 14, 15], [16, 17, 18, 19]]
        key = more[0].split("=")[0]
        assert f"{key} was" in done.stderr


def test_batches_continue_at_any_sample_in_any_split(processor: InstructSAMProcessor) -> None:
    whole = stream(processor, small(6, 2, captions=True), seed=1)
    expected = torch.cat([whole[index].inputs.detector_pixel_values for index in (0, 1)])
    texts = [row[row != -100].tolist() for index in (0, 1) for row in labels(whole, index)]
    for images, processes, first in ((1, 1, 4), (2, 2, 4), (4, 1, 2), (2, 1, 7)):
        parts = []
        for rank in range(processes):
            part = stream(processor, small(images, 2, captions=True), 1, rank, processes)
            parts.append(TrainingBatches(*made_of(part), rank, processes, first_sample=first))
        batch = [part[0].inputs.detector_pixel_values for part in parts]
        assert torch.equal(torch.cat(batch), expected[first : first + images * processes])
        assert [part[1].index for part in parts] == [
            first + (processes + rank) * images for rank in range(processes)
        ]
        rows = [row[row != -100].tolist() for part in parts for row in labels(part, 0)]
        assert rows == texts[3 * first : 3 * (first + images * processes)]


def labels(dataset: TrainingBatches, index: int) -> torch.Tensor:
    found = dataset[index].inputs.labels
    assert found is not None
    return found


def made_of(dataset: TrainingBatches) -> tuple[Any, ...]:
    return dataset.source, dataset.processor, dataset.sizes, dataset.settings, dataset.seed


def test_a_checkpoint_without_a_position_has_the_one_of_its_settings(stopped: Path) -> None:
    folder = checkpoint_folder(stopped / "checkpoints", 1)
    state = json.loads((folder / "state.json").read_text())
    assert state["meta"].pop("samples_drawn") == 2
    (folder / "state.json").write_text(json.dumps(state))
    run(None, tiny(stopped, "schedule.total_steps=2", "data.images_per_batch=3"), resume=True)
    assert read_state(checkpoint_folder(stopped / "checkpoints", 2))["meta"]["samples_drawn"] == 2 + 3


def test_choices_in_a_batch_are_those_of_its_number_whichever_process_draws_it(
    processor: InstructSAMProcessor,
) -> None:
    config = load_config(RunConfig, None, ["seed=7", "data.images_per_batch=3"])
    alone = [stream(processor, small(3, 2), 1)[number].index for number in range(4)]
    shared = [
        stream(processor, small(3, 2), 1, rank, 2)[number].index for number in range(2) for rank in (0, 1)
    ]
    assert [position_of(config, first) for first in alone] == [(7, number, 0) for number in range(4)]
    assert [position_of(config, first) for first in shared] == [(7, number, 0) for number in range(4)]
