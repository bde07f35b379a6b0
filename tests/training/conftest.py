"""A tiny model on the real world: small enough to train for a few steps in a test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest
import torch

from instructsam.experiments.sources import open_source
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training import trainer
from instructsam.training.batch import OutputSizes
from instructsam.training.settings import ModelSettings
from instructsam.training.start import start_model
from instructsam.world.splits.stream import all_texts
from tests.cached import cached_inputs
from tests.tiny import tiny_pair

TINY = (
    "device=cpu",
    "precision=float32",  # alike on CPUs with and without bfloat16 instructions
    "model.preset=tiny",
    "model.vocab_size=400",
    "model.tokenizer_texts=300",
    "data.world.short_sides=[64]",
    "data.images_per_batch=2",
    "data.instructions_per_image=3",
    "optim.lr=1e-3",
    "optim.warmup_steps=1",
    "schedule.total_steps=6",
    "schedule.log_seconds=0",
    "schedule.export_dtype=float32",
)


def tiny(folder: Path, *more: str) -> list[str]:
    """Overrides of a tiny run in a folder."""
    return [*TINY, f"output_dir={folder}", *more]


def run(
    config: Path | None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    on_checkpoint: trainer.OnCheckpoint | None = None,
) -> Path:
    """`trainer.run` with every source that the package knows."""
    return trainer.run(config, open_source, overrides, resume, on_checkpoint)


@pytest.fixture(scope="session", autouse=True)
def inputs_are_cached() -> Iterator[None]:
    with cached_inputs():
        yield


@pytest.fixture(scope="session")
def run_of_one_step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("one_step")
    run(None, tiny(folder, "schedule.max_minutes=1e-9"))
    return folder


@pytest.fixture
def stopped(run_of_one_step: Path, tmp_path: Path) -> Path:
    """A copy of a run of 6 steps that its time box ended after the first one."""
    return Path(shutil.copytree(run_of_one_step, tmp_path, dirs_exist_ok=True))


@cache
def tiny_start() -> tuple[InstructSAMModel, InstructSAMProcessor]:
    """A tiny model that nothing trains, and its processor."""
    return start_model(ModelSettings(preset="tiny", vocab_size=400, tokenizer_texts=300), all_texts)


def tiny_sizes() -> OutputSizes:
    """The sizes of its outputs."""
    return OutputSizes.of(tiny_start()[0], "nearest")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def processor() -> InstructSAMProcessor:
    return tiny_start()[1]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model to adapt."""
    folder = tmp_path_factory.mktemp("base")
    model, processor = tiny_pair()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
