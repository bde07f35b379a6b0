from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from instructsam.config import load_config
from instructsam.experiments.sources import open_source
from instructsam.training.compile import compile_blocks, compiled_blocks
from instructsam.training.run_source import open_run_source
from instructsam.training.settings import RunConfig
from instructsam.training.start import check_start, start_model
from instructsam.training.trainer import Trainer
from tests.training.conftest import tiny


def losses(folder: Path, backend: str | None, steps: int = 2) -> list[float]:
    """The first losses of a tiny run."""
    config = load_config(RunConfig, None, tiny(folder))
    source = open_run_source(config, open_source)
    torch.manual_seed(0)
    model, processor = start_model(config.model, source.texts)
    if backend is not None:
        compile_blocks(model, backend=backend)
    trainer = Trainer(config, source, model, processor, check_start(config))
    found = []
    trainer.trainable.register_forward_hook(lambda _, __, output: found.append(float(output[0].detach())))
    for drawn, _ in zip(trainer._stream(), range(steps), strict=False):
        trainer.train_step(drawn)
    return found


def test_a_run_compiles_every_block_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module, **_: compiled.append(module))
    config = load_config(RunConfig, None, tiny(tmp_path, "compile=true"))
    source = open_run_source(config, open_source)
    model, processor = start_model(config.model, source.texts)
    before = list(model.state_dict())
    Trainer(config, source, model, processor, check_start(config))
    assert compiled == compiled_blocks(model)
    kinds = {type(block).__name__ for block in compiled}
    assert {
        "Qwen3VLVisionBlock",
        "Qwen3VLTextDecoderLayer",
        "Sam3ViTLayer",
        "CheckpointedEncoderLayer",
        "Sam3MLP",
    } <= kinds
    assert len({id(block) for block in compiled}) == len(compiled)
    assert list(model.state_dict()) == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch.compile looks at it
def test_compiled_blocks_give_the_same_losses(tmp_path: Path) -> None:
    options: dict[str, Any] = {"rel": 1e-4}
    assert losses(tmp_path / "a", "aot_eager") == pytest.approx(losses(tmp_path / "b", None), **options)
