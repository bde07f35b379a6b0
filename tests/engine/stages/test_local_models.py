"""Commands that need keys open no model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.engine.stages.local_models import LocalModels, load_models, store_models
from instructsam.engine.stages.table import build_stages, fingerprints
from instructsam.errors import InputError
from tests.engine.scripted_flow import make_config
from tests.engine.stages.test_local_stages import Script

GROUPS: dict[str, Any] = {
    "source": {"data": "photos", "detector": "sam3:a"},
    "reground": {"model": "folder"},
}


def test_keys_are_those_of_the_opened_models(tmp_path: Path) -> None:
    config, models, path = make_config(**GROUPS), LocalModels(Script(), Script()), tmp_path / "models.json"
    store_models(path, config, models)
    closed = load_models(path, config)
    opened_stages = build_stages(config, models.detector, models.regrounder)
    closed_stages = build_stages(config, closed.detector, closed.regrounder)
    assert fingerprints(closed_stages) == fingerprints(opened_stages)
    assert closed.detector is not None
    with pytest.raises(InputError, match="not opened"):
        closed.detector.segment(Image.new("RGB", (4, 4)), phrases=["mug"], score_threshold=0.5)


def test_no_model_needs_no_file(tmp_path: Path) -> None:
    assert load_models(tmp_path / "missing.json", make_config()) == LocalModels()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"reground\.model: expected the model of the last run \(none\), got 'folder'"),
        ('{"reground.model": {"name": "other", "fingerprint": "1"}}', r"last run \(other\)"),
        ('{"reground.model": "1"}', "expected a name and a fingerprint"),
        ("{", "this is not JSON"),
    ],
)
def test_another_model_must_run_first(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "models.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_models(path, make_config(reground=GROUPS["reground"]))


def test_missing_models_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"source\.detector: expected it opened"):
        store_models(tmp_path / "models.json", make_config(**GROUPS), LocalModels())
