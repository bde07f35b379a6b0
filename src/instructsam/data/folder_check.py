"""Checks which benchmarks a data folder contains, and counts their records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

from instructsam.data.formats.refer import NoSuchSplitError
from instructsam.data.formats.source import Tally
from instructsam.data.published import PUBLISHED, Census, Published
from instructsam.errors import InputError

State: TypeAlias = Literal["found", "incomplete", "missing"]


def check_folder(folder: Path) -> Iterator[tuple[State, dict[str, Any]]]:
    """The state and a report of every known benchmark, ready for JSON.

    The report of a found benchmark has the counts of its `Census`, or `error` if it is malformed. The report of another
    one has `missing`, the files (or the split) that are not there, and `where` to get them.
    """
    for benchmark in PUBLISHED:
        files = benchmark.missing(folder)
        if files:
            yield "incomplete" if benchmark.is_begun(folder) else "missing", _absent(benchmark, files)
            continue
        tally = Tally()
        try:
            census = Census.of(benchmark.read(folder, tally), tally, folder)
        except NoSuchSplitError:
            yield "missing", _absent(benchmark, [f"its split in {benchmark.files[0]}"])
        except InputError as problem:
            yield "found", {"benchmark": benchmark.name, "error": str(problem)}
        else:
            report = {"benchmark": benchmark.name, "summary": census.sentence(), **census.to_dict()}
            yield "found", report


def is_usable(report: dict[str, Any]) -> bool:
    """Whether a found benchmark has records, is well-formed, and lacks no image."""
    return "error" not in report and report["absent_images"] == 0 and report["records"] > 0


def _absent(benchmark: Published, files: list[str]) -> dict[str, Any]:
    return {"benchmark": benchmark.name, "missing": files, "publisher": benchmark.publisher}
