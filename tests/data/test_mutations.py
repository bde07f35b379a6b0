"""A sample of the single-field mutations of every format here; all of them, within 1 GB, as a slow test."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from .mutations import ALL, Mutation, is_good, mutations, outcome, prepare

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = 150  # one of this many


def test_every_format_has_mutations() -> None:
    seen = {mutation.format for mutation in islice(mutations(), 0, None, SAMPLE)}
    assert {*ALL, "refcoco p"} == seen


def test_a_mutated_field_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    prepare(tmp_path)
    for mutation in islice(mutations(), 7, None, SAMPLE):
        what = f"{mutation.format} {mutation.place} {mutation.change}"
        assert is_good(outcome(mutation, tmp_path)), what


@pytest.mark.parametrize(
    "change", ["deep", "deeper", "5000 digits", "401 digits", "wrapping code", "surrogate"]
)
def test_the_worst_values_are_read_or_refused_in_one_line(tmp_path: Path, change: str) -> None:
    prepare(tmp_path)

    def chosen(name: str) -> list[Mutation]:
        return [mutation for mutation in mutations([name]) if mutation.change == change]

    for mutation in (mutation for name in ("records", "sa-co") for mutation in chosen(name)[::4]):
        assert is_good(outcome(mutation, tmp_path)), mutation.place


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded there")
def test_every_mutation_is_read_or_refused_within_a_gigabyte() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.data.mutations"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
