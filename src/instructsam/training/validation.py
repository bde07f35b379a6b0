"""Validation while a run trains: when it is due, which model is the best so far, and when to stop early.

The scores stand in `log.jsonl`, as lines with "validation". A resumed run reads them there, so the best model and the
patience survive a kill; validations after its checkpoint are repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL.Image import Image

from instructsam.training.settings import RunConfig

LINE = "validation"  # key of the log's lines


@dataclass(frozen=True)
class ValidationResult:
    """Scores of one model.

    Attributes:
        metrics: by key; None where undefined.
        pictures: examples with predictions, by name.
    """

    metrics: Mapping[str, float | None]
    pictures: Mapping[str, Image]


class Validate(Protocol):
    """Scores the models of a run on instructions that it does not train on.

    Attributes:
        name: of the instructions, for the log.
        metric: key in `ValidationResult.metrics` that decides.
        title: of the metric.
        lower_is_better: the metric falls as a model gets better.
    """

    name: str
    metric: str
    title: str
    lower_is_better: bool

    def __call__(self, model: Path, check: Callable[[], None]) -> ValidationResult:
        """Score a model folder; `check` is called between instructions and raises where the run must stop."""


OpenValidate = Callable[[RunConfig], Validate | None]
"""Opens the validation that a configuration describes, None where it wants none."""


@dataclass(frozen=True)
class Standing:
    """The validations of a run so far.

    Attributes:
        steps: of every validation.
        best_step, best: of the best value; None before the first one.
        without_better: validations in a row since.
    """

    steps: tuple[int, ...] = ()
    best_step: int | None = None
    best: float | None = None
    without_better: int = 0

    def is_better(self, value: float | None, lower_is_better: bool) -> bool:
        """Whether a value beats the best one; an undefined one never does."""
        if value is None or self.best is None:
            return value is not None
        return value < self.best if lower_is_better else value > self.best

    def after(self, step: int, value: float | None, lower_is_better: bool) -> Standing:
        """The standing with one more validation."""
        steps = (*self.steps, step)
        if self.is_better(value, lower_is_better):
            return Standing(steps, step, value, 0)
        return Standing(steps, self.best_step, self.best, self.without_better + 1)

    def gives_up(self, patience: int) -> bool:
        """Whether the run stops early."""
        return 0 < patience <= self.without_better


def standing_of(
    lines: Sequence[Mapping[str, object]], metric: str, lower_is_better: bool, on: str
) -> Standing:
    """The standing after the validations in a log.

    Scores on other instructions than `on` cannot be compared, so they do not count.
    """
    standing = Standing()
    for line in lines:
        if line.get("on", on) != on:  # lines of earlier versions do not name them
            continue
        step, scores = line.get("step"), line.get(LINE)
        if isinstance(step, int) and isinstance(scores, Mapping):
            value = scores.get(metric)
            standing = standing.after(
                step, float(value) if isinstance(value, int | float) else None, lower_is_better
            )
    return standing


def log_lines(path: Path) -> list[dict[str, object]]:
    """The lines of a log; empty where there is none. A line that a killed process was writing is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
