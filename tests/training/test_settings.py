from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from instructsam.config import load_config, to_dict
from instructsam.errors import ConfigError
from instructsam.training.settings import DataSettings, RunConfig
from instructsam.training.start import start_criterion


def test_a_run_is_read_from_yaml_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: small\nmodel: {recipe: tiny, overrides: {num_queries: 6}}\n"
        "optim: {lr: 1e-3, betas: [0.9, 0.95], lr_multipliers: {vlm: 0.5}}\n"
        "loss: {overrides: {points: null, weights: {text: 0.5}, matcher: {dice: 3}}}\n"
    )
    config = load_config(RunConfig, path, ["data.short_sides=[96, 128]", "model.overrides.dropout=0.1"])
    assert config.folder == Path("runs/small")
    assert config.model.overrides == {"num_queries": 6, "dropout": 0.1}
    assert (config.optim.lr, config.optim.betas) == (1e-3, (0.9, 0.95))
    assert config.data.short_sides == (96, 128)
    criterion = start_criterion(config.loss)
    assert criterion.config.weight("text") == 0.5
    assert criterion.config.weight("mask_bce") > 0
    assert criterion.config.matcher.dice == 3
    path.write_text(yaml.safe_dump(to_dict(config)))
    assert load_config(RunConfig, path) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.learning_rate=1", "unknown key optim.learning_rate"),
        ("optim.lr=-1", "lr must be above 0, got -1"),
        ("optim.ema_decay=1", r"ema_decay must lie in \[0, 1\)"),
        ("optim.decay=step", "cosine"),
        ("data.direct_fraction=1.5", r"direct_fraction must lie in \[0, 1\], got 1.5"),
        ("data.scenes_per_batch=0", "scenes_per_batch must be at least 1, got 0"),
        ("schedule.export_dtype=int8", "float16"),
    ],
)
def test_a_wrong_value_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(RunConfig, None, [override])


def test_levels_of_nouns_are_checked() -> None:
    with pytest.raises(ConfigError, match="takes levels colors, kinds, all"):
        DataSettings(nouns={"verbs": 0})
    with pytest.raises(ConfigError, match="what batch 0 asks"):
        DataSettings(nouns={"kinds": 5})


def test_factors_on_families_are_read_and_checked() -> None:
    config = load_config(RunConfig, None, ["data.family_shares={spatial: 2, comparison: 2.0}"])
    assert config.data.family_shares == {"spatial": 2.0, "comparison": 2.0}
    with pytest.raises(ConfigError, match="got relation: 2"):
        load_config(RunConfig, None, ["data.family_shares={relation: 2.0}"])
    with pytest.raises(ConfigError, match="leaves no family to ask"):
        DataSettings(families=("spatial",), family_shares={"spatial": 0.0})
