"""Two processes (gloo), with copies of the weights or shards, train like one; checkpoints fit any number of processes.

Everything that two processes do happens in one launch.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import instructsam
from tests.tiny import picture, tiny_pair
from tests.training.conftest import run, tiny
from tests.training.test_distributed import launch

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
]
STEPS = 5
SETTINGS = (
    # without denoising, whose noise depends on the process
    "loss.objectives={dense_classes: 1.0, query_readout: 1.0}",
    "loss.overrides.auxiliary_copies=3",
    "optim.eps=1e-3",  # else AdamW turns the rounding of tiny gradients into whole steps
    "optim.ema_decay=0.5",
    f"schedule.total_steps={STEPS}",
)
LORA = ("lora.rank=4", "lora.alpha=32", "parts.detector_vision=freeze", "gradient_checkpointing=true")
WEIGHTS = {"atol": 1e-6, "rtol": 1e-6}  # a step moves a weight by up to 1e-3
DECAYED = {"atol": 1e-6, "rtol": 5e-4}  # shards let weight decay act on parameters that no loss reaches


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs, named after how they were made."""
    folder = tmp_path_factory.mktemp("runs")
    torch.set_num_threads(1)
    model, processor = tiny_pair()
    model.save_pretrained(folder / "base")
    processor.save_pretrained(folder / "base")

    def settings(name: str, images: int, *more: str) -> list[str]:
        kept = [one for one in tiny(folder / name) if not one.startswith(("model.", "data.images"))]
        return [*kept, f"model.path={folder / 'base'}", *SETTINGS, f"data.images_per_batch={images}", *more]

    once = "schedule.max_minutes=1e-9"
    run(None, settings("one", 2))
    run(None, settings("accumulated", 1, "optim.gradient_accumulation_steps=2"))
    run(None, settings("lora one", 2, *LORA))
    run(None, settings("from one", 2, once))
    run(None, settings("lora from one", 2, *LORA, once))
    shards = "distributed=fsdp2"
    listed: list[tuple[bool, list[str]]] = [
        (False, settings("ddp", 1)),
        (False, settings("fsdp2", 1, shards)),
        (False, settings("lora ddp", 1, *LORA)),
        (False, settings("lora fsdp2", 1, shards, *LORA)),
        (True, settings("from one", 1, shards)),
        (True, settings("lora from one", 1, shards, *LORA)),
        (False, settings("from two", 1, shards, once)),
        (False, settings("lora from two", 1, shards, *LORA, once)),
    ]
    plan = folder / "plan.json"
    plan.write_text(json.dumps(listed))
    launch(str(Path(__file__).with_name("runs_of_two.py")), str(plan), timeout=900)
    run(None, settings("from two", 2), resume=True)
    run(None, settings("lora from two", 2, *LORA), resume=True)
    return folder


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def checkpoint(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return load_file(folder / "checkpoints" / f"step-{STEPS:08d}" / f"{name}.safetensors")


ALIKE = [
    ("accumulated", "one"), ("ddp", "one"), ("fsdp2", "one"), ("from one", "one"), ("from two", "one"),
    ("lora ddp", "lora one"), ("lora fsdp2", "lora one"), ("lora from one", "lora one"), ("lora from two", "lora one"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "expected"), ALIKE)
def test_losses_and_weights_are_those_of_one_process(runs: Path, name: str, expected: str) -> None:
    for line, other in zip(log(runs / name), log(runs / expected), strict=True):
        assert line["instructions"] == other["instructions"]
        assert line["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-5)
        assert line["parts"] == pytest.approx(other["parts"], rel=1e-5, abs=2e-5)  # logged to 5 places
    state, expected_state = (checkpoint(runs / folder, "optimizer") for folder in (name, expected))
    unreached = {key.split("|")[0].removeprefix("model.") for key in state.keys() - expected_state.keys()}
    for file in ("model", "ema", *(["frozen"] if "lora" in name else [])):
        ours, theirs = checkpoint(runs / name, file), checkpoint(runs / expected, file)
        assert ours.keys() == theirs.keys()
        for key, tensor in ours.items():
            assert tensor.shape == theirs[key].shape, "a shard"
            limits = DECAYED if key.removeprefix("model.") in unreached else WEIGHTS
            assert torch.allclose(tensor, theirs[key], **limits), (file, key)
    assert state.keys() >= expected_state.keys()
    assert all(state[key].shape == tensor.shape for key, tensor in expected_state.items())
    # shards give zeros to parameters that no loss of these settings reaches
    moments = [key for key in state.keys() - expected_state.keys() if not key.endswith("|step")]
    assert not any(state[key].any() for key in moments)


@pytest.mark.parametrize("name", ["fsdp2", "lora fsdp2"])
def test_exports_of_shards_open(runs: Path, name: str) -> None:
    for export in ("last", "adapter") if "lora" in name else ("last",):
        answer = instructsam.load(runs / name / export).segment(picture(), phrases=["red mug"])
        assert answer.status in ("ok", "no_target", "saturated")
