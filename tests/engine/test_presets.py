"""Shipped configurations of the engine name the commands that run them, and have all prompts."""

from __future__ import annotations

from pathlib import Path

import pytest

from instructsam.config import load_config
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.table import build_stages

FOLDER = Path(__file__).resolve().parents[2] / "src" / "instructsam" / "assets" / "configs" / "engine"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_a_shipped_configuration_is_complete(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    config = load_config(EngineConfig, path, ["source.detector="])
    assert f"instructsam engine run configs/engine/{name}.yaml" in path.read_text(encoding="utf-8")
    assert {"propose", "revise", "words", "vote", "exhaustive", "no_target"} <= set(build_stages(config))


def test_the_drawn_one_needs_no_server() -> None:
    config = load_config(EngineConfig, FOLDER / "world.yaml")
    assert config.vlm.url == "simulated"
    assert config.verifier is None
    assert config.source.data.startswith("world/")
