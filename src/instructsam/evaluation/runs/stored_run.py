"""The folder of a finished run: predictions, benchmark, score threshold and limit."""

from __future__ import annotations

from os.path import isdir, isfile
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.evaluation.runs.predictions import read_header
from instructsam.structures.checks import check_count, check_fraction, parse_json
from instructsam.structures.files import reason


def predictions_file(run: str | Path) -> Path:
    """The predictions of a run: the file itself, or predictions.jsonl in its folder.

    Raises:
        InputError: there is none.
    """
    path = Path(run)
    path = path / "predictions.jsonl" if isdir(path) else path
    if not isfile(path):
        raise InputError(
            f"no predictions at {str(path)!r}: name a predictions.jsonl, or the --out folder of instructsam evaluate"
        )
    return path


def stored_threshold(predictions: Path) -> float:
    """The threshold of the run, from the report.json beside its predictions.

    Raises:
        InputError: there is no such report.
    """
    report = predictions.with_name("report.json")
    try:
        return check_fraction(_provenance(report).get("score_threshold"), "score_threshold")
    except InputError as error:
        raise InputError(
            f"{report} does not say the score threshold of the run: give it with --score-threshold"
        ) from error


def stored_limit(predictions: Path) -> int | None:
    """The limit of the run, from the report.json beside its predictions; None without one.

    Raises:
        InputError: there is a report, but its limit is no whole number.
    """
    report = predictions.with_name("report.json")
    if not isfile(report):
        return None
    limit = _provenance(report).get("limit")
    return None if limit is None else check_count(limit, f"{report}: limit")


def _provenance(report: Path) -> dict[str, Any]:
    try:
        document = parse_json(report.read_bytes(), str(report))
    except OSError as error:
        raise InputError(f"{report}: cannot be read ({reason(error)})") from error
    found = document.get("provenance") if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def benchmark_name(predictions: Path) -> str:
    """The benchmark that the predictions are of."""
    return read_header(predictions).get("benchmark", "")
