"""A tiny model on the real world: small enough to train for a few steps in a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.settings import ModelSettings
from instructsam.training.start import start_model

TINY = (
    "device=cpu",
    "precision=float32",  # alike on CPUs with and without bfloat16 instructions
    "model.recipe=tiny",
    "model.vocab_size=400",
    "model.tokenizer_texts=300",
    "data.short_sides=[64]",
    "data.scenes_per_batch=2",
    "data.instructions_per_scene=3",
    "optim.lr=1e-3",
    "optim.warmup_steps=1",
    "schedule.total_steps=6",
    "schedule.log_seconds=0",
    "schedule.export_dtype=float32",
)


def tiny(folder: Path, *more: str) -> list[str]:
    """Overrides of a tiny run in a folder."""
    return [*TINY, f"output_dir={folder}", *more]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def processor() -> InstructSAMProcessor:
    return start_model(ModelSettings(recipe="tiny", vocab_size=400, tokenizer_texts=300))[1]
