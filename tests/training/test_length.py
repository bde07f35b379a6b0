"""The length of a run in passes over its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from instructsam.config import load_config
from instructsam.data.sources import Mixture, endless
from instructsam.errors import ConfigError
from instructsam.experiments.sources import open_source
from instructsam.training.run_folder import is_finished
from instructsam.training.run_source import open_run_source, with_length
from instructsam.training.settings import RunConfig
from tests.training.conftest import tiny


@dataclass
class Finite:
    """A source of so many samples, which are never drawn."""

    size: int
    name: str = "files"
    attributes: tuple[Any, ...] = ()
    fingerprint: str = "x"


def settings(*changes: str) -> RunConfig:
    return load_config(RunConfig, None, changes)


@pytest.mark.parametrize(
    ("changes", "processes", "steps"),
    [
        (["schedule.epochs=1", "data.images_per_batch=4"], 1, 26),  # 101 samples
        (["schedule.epochs=2.5", "data.images_per_batch=4"], 1, 64),
        (["schedule.epochs=1", "data.images_per_batch=4"], 2, 13),
        (["schedule.epochs=1", "data.images_per_batch=4", "optim.gradient_accumulation_steps=8"], 1, 4),
        (["schedule.epochs=0.001"], 1, 1),
        (["schedule.total_steps=7", "optim.warmup_steps=0"], 1, 7),
    ],
)
def test_an_epoch_is_one_pass_of_all_processes(
    changes: list[str], processes: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(processes))
    source: Any = endless(Finite(101), 0)  # type: ignore[arg-type]
    assert with_length(settings(*changes), source).schedule.total_steps == steps


def test_validations_may_be_counted_in_epochs_too() -> None:
    source: Any = endless(Finite(100), 0)  # type: ignore[arg-type]
    config = settings("schedule.epochs=3", "validation.every_epochs=0.5", "validation.source=x")
    resolved = with_length(config, source)
    assert (resolved.schedule.total_steps, resolved.validation.every_steps) == (75, 13)


def test_a_mixture_by_repeats_has_one_pass() -> None:
    mixture: Any = Mixture([(Finite(10), 3), (Finite(20), 1)], 0, "repeats")  # type: ignore[list-item]
    assert (
        with_length(settings("schedule.epochs=2", "data.images_per_batch=10"), mixture).schedule.total_steps
        == 10
    )


def test_the_world_has_no_epochs(tmp_path: Path) -> None:
    config = settings(*tiny(tmp_path, "schedule.epochs=1"))
    with pytest.raises(ConfigError, match=r"world has no end: set schedule\.total_steps"):
        with_length(config, open_run_source(config, open_source))


def test_warm_up_is_a_share_of_the_run() -> None:
    optim = settings("optim.warmup_fraction=0.03").optim
    assert [optim.warmup(steps) for steps in (1, 100, 1001)] == [1, 3, 31]


def test_a_run_without_a_folder_is_not_finished(tmp_path: Path) -> None:
    assert not is_finished(settings(f"output_dir={tmp_path}", "schedule.epochs=1"))
