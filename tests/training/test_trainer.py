from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from safetensors.torch import load_file

from instructsam.config import load_config
from instructsam.errors import CheckpointError, ConfigError, InstructSAMError
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training import checkpointing, processes, trackers
from instructsam.training.settings import RunConfig
from instructsam.training.start import open_model, start_model
from instructsam.training.stopping import TrainingInterrupted
from instructsam.training.trainer import Trainer
from instructsam.world.splits.stream import all_texts
from tests.training.conftest import run, tiny


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send the training process SIGTERM while it does a step."""
    plain = Trainer.train_step

    def train_step(self: Trainer, batch: Any) -> Any:
        if self.step == step - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, batch)

    monkeypatch.setattr(Trainer, "train_step", train_step)


@pytest.mark.parametrize("more", [(), ("loss.objectives.denoising=1",)], ids=["plain", "denoising"])
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    more = ("model.overrides.dropout=0.1", "schedule.total_steps=4", *more)
    run(None, tiny(tmp_path / "whole", *more))
    sliced = tiny(tmp_path / "sliced", *more)
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        with pytest.raises(
            TrainingInterrupted, match=r"SIGTERM at step 2 of 4, .*repeat the command"
        ) as caught:
            run(None, sliced)
    assert caught.value.exit_code == 143
    latest = checkpointing.latest_checkpoint(tmp_path / "sliced" / "checkpoints")
    assert latest is not None
    assert latest.name == "step-00000002"
    run(None, sliced, resume=True)
    for name in ("model", "ema", "optimizer"):
        one, other = (
            load_file(tmp_path / folder / "checkpoints" / "step-00000004" / f"{name}.safetensors")
            for folder in ("whole", "sliced")
        )
        assert one.keys() == other.keys()
        for key in one:
            assert torch.equal(one[key], other[key]), (name, key)
    whole, resumed = log(tmp_path / "whole"), log(tmp_path / "sliced")
    assert [line["step"] for line in resumed] == [1, 2, 3, 4]
    for a, b in zip(whole, resumed, strict=True):
        assert a["lr"] == b["lr"]
        assert a["instructions"] == b["instructions"]
        assert a["parts"] == b["parts"]


# few steps of the whole world are mostly noise
SIMPLE = ("data.world.families=[category]", "data.world.max_objects=3", "optim.lr=2e-3")


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    run(None, tiny(tmp_path, *SIMPLE, "schedule.total_steps=25"))
    losses = [line["parts"]["loss"] for line in log(tmp_path)]
    assert sum(losses[-8:]) < 0.9 * sum(losses[:8])
    text = [line["parts"]["text"] for line in log(tmp_path)]
    assert text[-1] < 0.9 * text[0]


def test_muon_and_eager_attention_lower_the_loss_too(tmp_path: Path) -> None:
    run(None, tiny(tmp_path, *SIMPLE, "schedule.total_steps=15", "optim.muon_lr=4e-3", "attention=eager"))
    losses = [line["parts"]["loss"] for line in log(tmp_path)]
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


@pytest.mark.parametrize(
    ("stage", "still"),
    [
        ("vision", ("vlm.language_model.", "detector.detr_", "instance_queries")),
        ("phrases", ("vlm.language_model.layers",)),
    ],
)
def test_a_stage_changes_only_what_it_runs(tmp_path: Path, stage: str, still: tuple[str, ...]) -> None:
    settings = (
        f"stage={stage}",
        "loss.objectives.dense_classes=1",
        "optim.ema_decay=0",
        "schedule.total_steps=1",
    )
    folder = run(None, tiny(tmp_path, *settings))
    torch.manual_seed(0)
    start, _ = start_model(load_config(RunConfig, None, tiny(tmp_path)).model, all_texts)
    trained = load_file(folder / "model.safetensors")
    for name, parameter in start.named_parameters():
        same = torch.equal(trained[name], parameter)
        if name.startswith(still):
            assert same, name
        elif "visual.blocks" in name and name.endswith("weight"):
            assert not same, name


def test_the_export_opens_and_holds_averaged_weights(tmp_path: Path) -> None:
    called: list[tuple[Path, int]] = []
    folder = run(
        None,
        tiny(
            tmp_path,
            "model.overrides.tie_embeddings=true",
            "schedule.total_steps=3",
            "schedule.export_dtype=float16",
        ),
        on_checkpoint=lambda path, step: called.append((path, step)),
    )
    assert called == [(folder, 3)]
    model, processor = open_model(folder)
    assert isinstance(processor, InstructSAMProcessor)
    checkpoint = checkpointing.read_checkpoint(tmp_path / "checkpoints" / "step-00000003")
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, checkpoint.ema[name], rtol=1e-3, atol=1e-3), name
    stored = load_file(folder / "model.safetensors")
    assert stored["instance_queries.weight"].dtype == torch.float16
    assert not {"lm_head.weight", "vlm.language_model.embed_tokens.weight"} <= stored.keys(), "stored twice"


def test_a_run_starts_from_a_saved_model(tmp_path: Path) -> None:
    first = run(None, tiny(tmp_path / "first", "schedule.total_steps=2"))
    more = [text for text in tiny(tmp_path / "second") if not text.startswith("model.")]
    run(None, [*more, f"model.path={first}", "schedule.total_steps=1", "optim.lr=1e-9"])
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("first", "second"))
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)


def test_the_time_box_ends_with_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(None, tiny(tmp_path, "schedule.max_minutes=1e-9"))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    captured = capsys.readouterr()
    assert "stopped at step 1 by the time box of 1e-09 minutes; --resume continues" in captured.err
    assert captured.out == ""


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_nothing(
    stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Accelerator.clip_grad_norm_

    def spoiled(self: Accelerator, parameters: Any, limit: float) -> torch.Tensor:
        return plain(self, parameters, limit) * float("nan")

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", spoiled)
    with pytest.raises(InstructSAMError, match=r"step 1: loss or gradient is not finite \(.*gradient nan\)"):
        run(None, tiny(stopped), resume=True)
    assert [path.name for path in (stopped / "checkpoints").iterdir()] == ["step-00000001"]
    checkpointing.read_checkpoint(stopped / "checkpoints" / "step-00000001")


def test_a_run_is_never_overwritten_nor_resumed_from_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no checkpoint; start without --resume"):
        run(None, tiny(tmp_path), resume=True)
    run(None, tiny(tmp_path, "schedule.total_steps=1"))
    with pytest.raises(ConfigError, match="already holds a run; resume it with --resume"):
        run(None, tiny(tmp_path))


def test_a_damaged_checkpoint_is_not_resumed(stopped: Path) -> None:
    (stopped / "checkpoints" / "step-00000001" / "ema.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"ema.safetensors has changed since it was written"):
        run(None, tiny(stopped), resume=True)


def test_a_killed_process_leaves_a_log_that_can_be_continued(stopped: Path) -> None:
    with (stopped / "log.jsonl").open("a") as file:
        file.write('{"step": 2, "parts": {}}\n{"step": 3, "pa')
    run(None, tiny(stopped, "schedule.total_steps=3"), resume=True)
    assert [line["step"] for line in log(stopped)] == [1, 2, 3]
    assert all(line["parts"] for line in log(stopped))


@pytest.mark.parametrize(
    "overrides",
    [
        ("precision=bfloat16",),
        ("loss.preset=published", "loss.overrides.points=64"),
        ("optim.ema_decay=0", "optim.clip_norm=0"),
        ("data.direct_fraction=1",),
        ("data.world.max_objects=1",),
    ],
    ids=lambda overrides: overrides[0],
)
def test_other_settings_train_resume_and_export(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    run(None, tiny(tmp_path, *overrides, "schedule.max_minutes=1e-9"))
    folder = run(None, tiny(tmp_path, *overrides, "schedule.total_steps=2"), resume=True)
    lines = log(tmp_path)
    assert [line["step"] for line in lines] == [1, 2]
    assert all(math.isfinite(value) for line in lines for value in line["parts"].values())
    model, _ = open_model(folder)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_accumulated_batches_train_like_one_big_batch(tmp_path: Path) -> None:
    objectives = "loss.objectives={dense_classes: 1.0, query_readout: 1.0}"
    more = (objectives, "loss.overrides.auxiliary_copies=3", "schedule.total_steps=2", "optim.eps=1e-3")
    run(None, tiny(tmp_path / "one", *more))
    twice = ("data.images_per_batch=1", "optim.gradient_accumulation_steps=2")
    run(None, tiny(tmp_path / "two", *more, *twice))
    for one, two in zip(log(tmp_path / "one"), log(tmp_path / "two"), strict=True):
        assert one["instructions"] == two["instructions"]
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-4)
        assert one["parts"] == pytest.approx(two["parts"], rel=1e-4)


class Noted(GeneralTracker):
    """A tracker that keeps what it gets."""

    name = "noted"
    requires_logging_directory = False

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.finished = False

    @property
    def tracker(self) -> None:
        return None

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.settings = values

    def log(self, values: dict[str, float], step: int, **_: Any) -> None:
        self.lines.append((step, values))

    def finish(self) -> None:
        self.finished = True


def test_trackers_get_the_numbers_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = Noted()
    changed = {"log_with": [noted]}
    monkeypatch.setattr(processes, "Accelerator", lambda **given: Accelerator(**{**given, **changed}))
    monkeypatch.setattr(trackers, "find_spec", lambda _: True)
    run(None, tiny(tmp_path, "schedule.total_steps=1", "trackers=[tensorboard]"))
    assert noted.settings["optim.lr"] == 1e-3
    assert noted.finished
    ((step, values),) = noted.lines
    (line,) = log(tmp_path)
    assert step == 1
    assert values["loss/mask_dice"] == line["parts"]["mask_dice"]
    assert values["lr"] == line["lr"]


def test_a_missing_tracker_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    with pytest.raises(
        ConfigError, match=r"tensorboard is not installed: run pip install 'instructsam\[track\]'"
    ):
        run(None, tiny(tmp_path, "trackers=[tensorboard]"))
    assert not tmp_path.joinpath("config.yaml").exists()


def test_a_run_of_an_earlier_version_is_refused_in_one_message(stopped: Path) -> None:
    path = stopped / "config.yaml"
    path.write_text(path.read_text().replace("init_from:", "take_from:"))
    with pytest.raises(
        ConfigError, match=r"holds a run of another version .*it is now model.init_from.*"
    ) as caught:
        run(None, tiny(stopped), resume=True)
    assert "resume it with the version that wrote it, or set another output_dir" in str(caught.value)
