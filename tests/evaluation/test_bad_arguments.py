"""Wrong thresholds, limits and paths in the evaluation's functions: refused by name, before a model answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructsam.data.record import read_records, write_records
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.names import get_benchmark
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.rescore import rescore
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.studies.false_alarms import count_false_alarms
from instructsam.evaluation.studies.robustness import measure

NOT_FRACTIONS: list[Any] = [50, -0.1, math.nan, math.inf, "0.5", True, [], 10**400]
NOT_COUNTS: list[Any] = [0, -1, 1.5, "2", True, math.nan, [], 10**400]
NOT_PATHS: list[Any] = [5, math.nan, True, b"x", [], "\0", "half \ud83d"]


class Silent:
    """Has a threshold, and must not be asked."""

    score_threshold = 0.5
    default_mode = "generate"
    fingerprint = ""
    calls = None

    def segment(self, *_: Any, **__: Any) -> Any:
        pytest.fail("a model was asked")


def nothing() -> Benchmark:
    return Benchmark("none", lambda limit: iter(()))


@pytest.mark.parametrize("value", NOT_FRACTIONS, ids=repr)
def test_thresholds(value: Any, tmp_path: Path) -> None:
    masks = np.ones((1, 2, 2), np.bool_)
    for call in (
        lambda: evaluate(Silent(), nothing(), score_threshold=value),
        lambda: measure(Silent(), nothing(), score_threshold=value),
        lambda: count_false_alarms(Silent(), score_threshold=value),
        lambda: rescore(tmp_path / "none.jsonl", nothing(), value),
        lambda: score_instruction(masks, np.ones(1), masks, value),
    ):
        with pytest.raises(InputError, match="score_threshold must be a number from 0 to 1"):
            call()


@pytest.mark.parametrize("value", NOT_COUNTS, ids=repr)
def test_limits(value: Any) -> None:
    with pytest.raises(InputError, match=r"limit .*must be a whole number from 1"):
        next(get_benchmark("world/val").iterate(value))
    with pytest.raises(InputError, match="count must be a whole number from 1"):
        count_false_alarms(Silent(), value)


@pytest.mark.parametrize("value", NOT_PATHS, ids=ascii)
def test_paths(value: Any) -> None:
    with pytest.raises(InputError, match="path"):
        list(read_records(value))
    with pytest.raises(InputError, match="path"):
        write_records(value, [])
    with pytest.raises(InputError, match="name"):
        get_benchmark(value)
    with pytest.raises(InputError, match="data"):
        get_benchmark("refcoco/testA", value)
    with pytest.raises(InputError, match="predictions_path"):
        rescore(value, nothing(), 0.5)
