"""Presets: each is valid, ships with the package, and its plan at 2B is made without weights."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from instructsam.checkpoints.published_layout import config_from_published
from instructsam.checkpoints.published_sizes import PUBLISHED_2B
from instructsam.config import load_config
from instructsam.errors import ConfigError
from instructsam.experiments.presets import choose_preset, preset_folder, preset_names, preset_path
from instructsam.training.plan import Plan, plan_run, without_weights
from instructsam.training.settings import RunConfig

ROOT = Path(__file__).resolve().parents[2]
ADAPTED = 64 * 28 * (2 * (2048 + 2048) + 2 * (2048 + 1024) + 3 * (2048 + 6144))
"""Rank 64 on the seven linear layers of 28 blocks: q and o, k and v, gate, up and down."""


@cache
def plan(name: str, *changes: str) -> Plan:
    config = load_config(RunConfig, preset_path(name), ["device=cpu", *changes])
    model = without_weights(config_from_published(PUBLISHED_2B))
    assert all(parameter.is_meta for parameter in model.parameters())
    return plan_run(config, model, 1000)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_has_a_plan_at_full_size(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(name)
    assert made.total == 2_615_377_981
    with capsys.disabled():
        print(f"\npreset: {name}", *made.lines(), sep="\n")
    text = "\n".join(made.lines())
    assert "2.62 B parameters" in text
    assert "an estimate" in text


def trained(name: str) -> dict[str, tuple[int, int, float | None]]:
    return {part.part: (part.trained, part.adapters, part.learning_rate) for part in plan(name).parts}


def test_the_published_stages_train_what_the_release_did() -> None:
    one, two = trained("published_stage1"), trained("published_stage2")
    assert one["language_model"] == (0, ADAPTED, 5e-6)
    assert one["vlm_vision"][2] == one["projectors"][2] == 5e-6
    assert one["detector"][2] == 1e-5
    assert one["detector_vision"] == two["detector_vision"] == (0, 0, None)
    assert two["language_model"][1:] == (0, 2e-6)
    assert two["detector"][1:] == (0, 5e-6)
    settings = [load_config(RunConfig, preset_path(f"published_stage{number}")) for number in (1, 2)]
    assert [config.optim.gradient_accumulation_steps for config in settings] == [2, 1]
    assert all(config.optim.warmup(1000) == 30 for config in settings)
    assert all(config.optim.weight_decay == 0 for config in settings)
    assert settings[0].data.weights["roborefit/train"] == 10


def test_frozen_parts_need_no_memory_to_train() -> None:
    detector, full = plan("finetune_detector"), plan("finetune_full")
    assert trained("finetune_detector")["language_model"] == (0, 0, None)
    assert detector.memory["optimizer"] == 8 * detector.trained
    assert full.trained == full.total
    assert full.memory["weights"] == detector.memory["weights"] == 4 * full.total
    kept = plan("finetune_full", "gradient_checkpointing=false").memory["activations"]
    assert kept > 2 * full.memory["activations"]
    assert kept > detector.memory["activations"]


def test_a_preset_is_chosen_by_the_size_of_the_model() -> None:
    assert choose_preset(8_000_000)[0] == "finetune"
    assert choose_preset(2_600_000_000)[0] == "finetune_lora"
    with pytest.raises(
        ConfigError, match=r"a preset must be one of finetune, .*did you mean finetune_lora\?"
    ):
        preset_path("finetune_lore")


def test_presets_are_files_of_the_package_and_of_configs() -> None:
    names = {"finetune", "finetune_lora", "finetune_detector", "finetune_full"}
    assert {*names, "published_stage1", "published_stage2"} == set(preset_names())
    assert (ROOT / "configs").samefile(preset_folder())


@pytest.mark.slow
def test_the_wheel_holds_every_preset(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*command, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], check=True, capture_output=True, text=True
    ).stdout
    for path in preset_folder().rglob("*.yaml"):
        assert f"instructsam/assets/configs/{path.relative_to(preset_folder()).as_posix()}" in listed
