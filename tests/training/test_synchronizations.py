"""A training step does not wait for the device more often than it must: counted on the CPU, where nothing waits."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from instructsam.config import load_config
from instructsam.experiments.sources import open_source
from instructsam.training.run_source import open_run_source
from instructsam.training.settings import RunConfig
from instructsam.training.start import check_start, start_model
from instructsam.training.trainer import Trainer
from tests.training.conftest import tiny

ROOT = Path(__file__).parents[2]
# costs of the criterion's matcher, costs of the query readout's, and whether loss and gradient are finite
ALLOWED = 3


@pytest.fixture(scope="module")
def operators() -> ModuleType:
    """`benchmarks/step_operators.py`."""
    spec = importlib.util.spec_from_file_location("step_operators", ROOT / "benchmarks" / "step_operators.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("more", [(), ("loss.detected_fraction=0.5",), ("gradient_checkpointing=true",)])
def test_a_step(operators: ModuleType, tmp_path: Path, more: tuple[str, ...]) -> None:
    objectives = "loss.objectives={dense_classes: 1.0, query_readout: 1.0, denoising: 1.0}"
    config = load_config(RunConfig, None, tiny(tmp_path, "optim.muon_lr=1e-3", objectives, *more))
    source = open_run_source(config, open_source)
    model, processor = start_model(config.model, source.texts)
    trainer = Trainer(config, source, model, processor, check_start(config))
    drawn = next(iter(trainer._stream()))
    trainer.train_step(drawn)  # makes the position tables of these image sizes
    counts = operators.StepOperators([*trainer.trainable.parameters(), *trainer.trainable.buffers()])
    with counts.watched():
        trainer.train_step(drawn)
    listed = "\n".join(f"{number} x {place}" for place, number in counts.synchronizations.items())
    assert sum(counts.synchronizations.values()) <= ALLOWED, f"the step waits for the device:\n{listed}"


CASES: dict[str, tuple[Callable[[Tensor], Any], int]] = {
    "value": (lambda x: x.sum().item(), 1),
    "branch": (lambda x: bool(x.any()), 1),
    "list": (lambda x: (x + 1).tolist(), 1),
    "number of non-zeros": (lambda x: x.nonzero(), 1),
    "boolean index": (lambda x: x[x > 1], 1),
    "boolean write": (lambda x: x.masked_fill(x > 1, 0), 0),
    "copy to the host": (lambda x: x.cpu().numpy().tolist(), 1),
    "copy to the device": (lambda x: torch.arange(3).to(x.device), 1),
    "copy that does not block": (lambda x: torch.arange(3).to(x.device, non_blocking=True), 0),
    "list to the device": (lambda x: torch.tensor([1, 2], device=x.device), 1),
    "made on the device": (lambda x: torch.arange(3, device=x.device) + x[:3], 0),
    "index": (lambda x: x[torch.arange(3).to(x.device, non_blocking=True)], 0),
    "on the host": (lambda x: torch.arange(4)[torch.arange(4) > 1].sum().item(), 0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_counter_sees(operators: ModuleType, name: str) -> None:
    call, expected = CASES[name]
    tensor = torch.arange(4.0)
    counts = operators.StepOperators([tensor])
    with counts.watched():
        call(tensor)
    assert sum(counts.synchronizations.values()) == expected, counts.synchronizations


def test_the_whole_batch_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(RunConfig, None, tiny(tmp_path))
    source = open_run_source(config, open_source)
    model, processor = start_model(config.model, source.texts)
    batch = next(iter(Trainer(config, source, model, processor, check_start(config))._stream()))[0]
    pinned: list[int] = []

    def pin_memory(tensor: Tensor) -> Tensor:
        pinned.append(id(tensor))
        return tensor

    def tensors(value: Any) -> list[Tensor]:
        if isinstance(value, Tensor):
            return [value]
        parts = [getattr(value, f.name) for f in fields(value)] if is_dataclass(value) else []
        return [tensor for part in parts for tensor in tensors(part)]

    monkeypatch.setattr(Tensor, "pin_memory", pin_memory)
    batch.pin_memory()
    assert sorted(pinned) == sorted(id(tensor) for tensor in tensors(batch))
    assert len(pinned) > 20
