"""A detector is one class and one line: everything else works with it unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import instructsam
from instructsam.checkpoints.assemble import load_detector_base
from instructsam.checkpoints.inspect import account_of
from instructsam.errors import CheckpointError, ConfigError
from instructsam.model.detector.registry import DETECTORS, detector_config
from instructsam.model.presets import get_preset
from tests.model.grid_detector import GridConfig, GridDetector
from tests.tiny import picture
from tests.training.conftest import run, tiny


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, GridDetector.model_type, GridDetector)


@pytest.mark.usefixtures("registered")
def test_a_model_with_another_detector_trains_and_segments(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    options = ("model.overrides.detector=grid", "schedule.total_steps=2", "loss.objectives.denoising=1")
    run(None, tiny(tmp_path / "run", *options, "model.overrides.slot_boxes=true"))
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["parts"]["loss"]) for line in lines)
    folder = tmp_path / "run" / "model"
    fields = json.loads((folder / "config.json").read_text())["detector_config"]
    assert (fields["model_type"], fields["slots"]) == ("grid", 4)
    segmenter = instructsam.load(folder, device="cpu")
    assert isinstance(segmenter.model.detector, GridDetector)
    assert isinstance(segmenter.model.config.detector_config, GridConfig)
    for mode in ("direct", "generate"):
        answer = segmenter.segment(picture(1), "the red mugs", mode=mode, score_threshold=0.0)
        assert answer.instances.size == (64, 80)
    assert len(segmenter.segment(picture(1), phrases=["mug"], score_threshold=0.0).instances) > 0
    assert "detector" in account_of(folder).parts
    assert account_of(folder).complete
    saved = tmp_path / "saved"
    segmenter.save(saved)
    one, other = (
        each.segment(picture(1), "kite", mode="direct", score_threshold=0.0)
        for each in (segmenter, instructsam.load(saved, device="cpu"))
    )
    assert np.array_equal(one.instances.masks, other.instances.masks)


def test_an_unknown_detector_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"detector_config.model_type must be one of sam3, got 'grid'"):
        detector_config({"model_type": "grid"})
    with pytest.raises(ConfigError, match="detector must be some of sam3, got str 'grid'"):
        get_preset("tiny", {"detector": "grid"})
    fields = {"model_type": "instructsam", "detector_config": {"model_type": "grid"}}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match="must be one of sam3"):
        instructsam.load(tmp_path, device="cpu")


def test_other_models_are_no_detectors(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(CheckpointError, match="holds a bert model, expected sam3"):
        load_detector_base(tmp_path, torch.float32)
