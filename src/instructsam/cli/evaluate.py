"""`instructsam evaluate [MODEL] --benchmark world/val`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.cli.options import (
    MODE_HELP,
    DeviceOption,
    DtypeOption,
    JsonOption,
    Mode,
    Opening,
    QuantizeOption,
    ThresholdOption,
    check_threshold,
    is_direct,
)
from instructsam.errors import InputError


def evaluate(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Model folder or hub id; the shipped default.")
    ] = None,
    benchmark: Annotated[
        str, typer.Option("--benchmark", help="world/val, world/test, or a folder with records.jsonl.")
    ] = "world/val",
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first so many instructions.")] = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = Mode.auto,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for predictions.jsonl (a stopped run goes on), report.json and .md."
        ),
    ] = None,
    as_json: JsonOption = False,
    score_threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    quantize: QuantizeOption = None,
) -> int:
    """Score a model on a benchmark.

    Every instruction is answered, and what comes out is compared with the known masks.
    """
    from instructsam.evaluation.benchmark import get_benchmark

    opening = Opening(model, device, dtype, quantize)
    check_threshold(score_threshold)
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1, got {limit}: leave it out for the whole benchmark")
    chosen = get_benchmark(benchmark)
    if out is not None:
        console.prepare_folder(out)
    with console.stdout_reserved(as_json), console.counter("instructions", limit) as advance:
        from instructsam.evaluation.runner import evaluate as run_benchmark

        segmenter = opening.open()
        report = run_benchmark(
            segmenter,
            chosen,
            limit=limit,
            phrases_given=is_direct(segmenter, mode),
            predictions_path=out / "predictions.jsonl" if out is not None else None,
            score_threshold=score_threshold,
            progress=advance,
            provenance={"model": f"{model or 'default'}, weights {segmenter.fingerprint}", **opening.changes},
        )
    if out is not None:
        console.write_json(out / "report.json", report.to_dict())
        console.write_text(out / "report.md", report.to_text() + "\n")
    if as_json:
        console.print_json(report.to_dict())
    else:
        print(report.to_text())
    return 0
