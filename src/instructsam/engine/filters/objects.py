"""Objects that no instruction should mean: too small, covering almost everything, or there twice."""

from __future__ import annotations

from collections.abc import Mapping

from instructsam.engine.candidates import Candidate
from instructsam.engine.filters.problem import Problem
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.filters import FilterSettings


def object_problems(row: ImageRow, settings: FilterSettings) -> dict[int, Problem]:
    """The faults of a row's objects, by number (from 1); it compares masks, so call it once per row."""
    return {}


def problems_of_meant(candidate: Candidate, problems: Mapping[int, Problem]) -> list[Problem]:
    """The faults of the objects that a candidate means."""
    return [problems[number] for number in candidate.numbers if number in problems]
