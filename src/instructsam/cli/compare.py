"""`instructsam compare RUN_A RUN_B`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.cli.options import DataOption, JsonOption, ThresholdOption, check_threshold
from instructsam.cli.tables import print_table
from instructsam.errors import InputError


def compare(
    run_a: Annotated[
        Path, typer.Argument(metavar="RUN_A", help="A predictions.jsonl, or the --out folder of evaluate.")
    ],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The other one.")],
    data: DataOption = None,
    resamples: Annotated[
        int, typer.Option("--resamples", min=1, max=1_000_000, help="Draws of the paired bootstrap.")
    ] = 1000,
    as_json: JsonOption = False,
    score_threshold: ThresholdOption = None,
) -> int:
    """Print how the scores of two runs differ, with intervals; no model is needed."""
    from instructsam.evaluation.benchmarks.names import get_benchmark
    from instructsam.evaluation.runs.stored_run import benchmark_name, predictions_file, stored_threshold
    from instructsam.evaluation.studies.compare import compare

    check_threshold(score_threshold)
    a, b = predictions_file(run_a), predictions_file(run_b)
    names = benchmark_name(a), benchmark_name(b)
    if names[0] != names[1]:
        raise InputError(f"{a} is of {names[0]!r} and {b} of {names[1]!r}: compare runs on one benchmark")
    chosen = get_benchmark(names[0], data)
    given = score_threshold
    thresholds = (stored_threshold(a), stored_threshold(b)) if given is None else (given, given)
    with console.stdout_reserved(as_json):
        comparison = compare(a, b, chosen, thresholds, resamples)
    if as_json:
        console.print_json(comparison.to_dict())
    else:
        print_table(comparison.to_text())
    return 0
