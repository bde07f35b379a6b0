"""An adapter is told by its configuration, must fit its base, and answers alike merged and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import instructsam
from instructsam.checkpoints.inspect import account_of
from instructsam.errors import CheckpointError, InputError
from tests.tiny import picture, tiny_pair

# peft asks transformers in a way that transformers will change
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A base in `base`, and beside it an adapter with random weights."""
    model, processor = tiny_pair()
    model.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    adapted: Any = get_peft_model(model, LoraConfig(r=2, target_modules=r".*language_model.*(q_proj|v_proj)"))
    torch.manual_seed(3)
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    adapted.save_pretrained(tmp_path / "plain-name")
    edit(tmp_path / "plain-name", base_model_name_or_path="../base")
    return tmp_path / "plain-name"


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def scores(segmenter: instructsam.Segmenter) -> np.ndarray:
    return segmenter.segment(picture(), phrases=["red mug"], score_threshold=0.0).instances.scores


def test_merged_equals_kept_and_differs_from_the_base(adapter: Path) -> None:
    merged = instructsam.load(adapter, device="cpu")
    kept = instructsam.load(adapter, device="cpu", adapter="keep")
    base = instructsam.load(adapter.parent / "base", device="cpu")
    assert np.allclose(scores(merged), scores(kept), atol=1e-5)
    assert not np.allclose(scores(merged), scores(base), atol=1e-5)
    assert merged.model.state_dict().keys() == base.model.state_dict().keys()
    assert any("lora_" in name for name in kept.model.state_dict())


def test_adapters_that_do_not_fit(adapter: Path) -> None:
    weights = adapter / "adapter_model.safetensors"
    tensors = load_file(weights)
    name = next(iter(tensors))
    save_file({**tensors, "base_model.model.elsewhere.lora_A.weight": torch.zeros(2, 2)}, weights)
    with pytest.raises(CheckpointError, match=r"does not fit its base model: 1 tensors \(unexpected"):
        instructsam.load(adapter)
    save_file({other: tensor for other, tensor in tensors.items() if other != name}, weights)
    with pytest.raises(CheckpointError, match=r"1 tensors \(missing"):
        instructsam.load(adapter)
    save_file({**tensors, name: torch.zeros(3, 3)}, weights)
    with pytest.raises(CheckpointError, match="does not fit its base model"):
        instructsam.load(adapter)
    with pytest.raises(InputError, match="adapter must be one of merge, keep, got 'add'"):
        instructsam.load(adapter, adapter="add")  # type: ignore[arg-type]
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"holds no adapter_model\.safetensors"):
        instructsam.load(adapter)
    edit(adapter, base_model_name_or_path=None)
    with pytest.raises(CheckpointError, match="names no base model"):
        instructsam.load(adapter)


def test_the_base_is_of_the_adapters_revision(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(adapter, base_model_name_or_path="owner/base", revision="deadbeef")
    asked: list[tuple[str, str | None]] = []

    def resolved(name: str | Path, revision: str | None = None) -> Path:
        asked.append((str(name), revision))
        return adapter.parent / "base"

    monkeypatch.setattr("instructsam.checkpoints.adapted.resolve", resolved)
    instructsam.load(adapter, device="cpu")
    assert asked == [("owner/base", "deadbeef")]


def test_adapters_in_a_circle_are_refused(adapter: Path) -> None:
    edit(adapter, base_model_name_or_path=str(adapter))
    with pytest.raises(CheckpointError, match="at most 8 adapters on a model, got more"):
        instructsam.load(adapter, device="cpu")


def test_what_adapters_cannot_do(adapter: Path, tmp_path: Path) -> None:
    kept = instructsam.load(adapter, device="cpu", adapter="keep")
    with pytest.raises(InputError, match="load with adapter='merge' to save"):
        kept.save(tmp_path / "again")
    with pytest.raises(InputError, match="use adapter='keep'"):
        instructsam.load(adapter, device="cpu", quantize="int8")
    with pytest.raises(CheckpointError, match="holds an adapter, not a whole model"):
        account_of(adapter)


def test_an_adapter_on_int8_weights(adapter: Path) -> None:
    pytest.importorskip("bitsandbytes")
    small = instructsam.load(adapter, device="cpu", adapter="keep", quantize="int8")
    assert np.allclose(scores(small), scores(instructsam.load(adapter, device="cpu")), atol=0.02)
