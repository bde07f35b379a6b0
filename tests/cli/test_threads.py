"""Every command that opens a model takes `--threads`, and sets them once the model is known."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from instructsam.cli import baselines
from instructsam.cli.calibrate import calibrate
from instructsam.cli.demo import demo
from instructsam.cli.evaluate import evaluate
from instructsam.cli.false_alarms import false_alarms
from instructsam.cli.options import Opening
from instructsam.cli.robustness import robustness
from instructsam.cli.segment import segment
from instructsam.errors import InputError
from instructsam.inference import loading, threads

Calls = list[tuple[int | None, int]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What `use_threads` is given; models are numbers of parameters."""
    seen: Calls = []
    monkeypatch.setattr(threads, "use_threads", lambda wanted, size: seen.append((wanted, size)))
    monkeypatch.setattr(loading, "load", lambda *_, **__: SimpleNamespace(num_parameters=7))
    return seen


@pytest.mark.parametrize("command", [segment, evaluate, calibrate, demo, false_alarms, robustness])
def test_commands_that_open_a_model_take_threads(command: Callable[..., int]) -> None:
    assert "threads" in inspect.signature(command).parameters


def test_opening_sets_the_threads_for_the_models_size(calls: Calls) -> None:
    Opening(threads=3).open()
    Opening().open()
    assert calls == [(3, 7), (None, 7)]


def test_baselines_are_large_and_a_small_detector_does_not_slow_a_vlm(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines.AnyOpening, "_vlm", lambda self: None)
    monkeypatch.setattr("instructsam.baselines.sam3_agent.Sam3Agent", lambda *_: None)
    baselines.AnyOpening("agent:", vlm="folder").open_any()
    assert [size for _, size in calls] == [loading.LARGE, 7, loading.LARGE]
    calls.clear()
    baselines.AnyOpening("agent:", vlm="name", vlm_url="http://localhost:1/v1").open_any()
    assert calls[-1] == (None, 7)


@pytest.mark.parametrize("value", [0, -1, 10**6, 1.5, True, math.nan, "2"])
def test_wrong_numbers_are_refused_before_anything_is_loaded(value: Any) -> None:
    with pytest.raises(InputError, match="--threads must be a whole number from 1 to 1024"):
        Opening(threads=value)
