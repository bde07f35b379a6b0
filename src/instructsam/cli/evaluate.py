"""`instructsam evaluate [MODEL] [BENCHMARK] [--data DIR]`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.cli import console
from instructsam.cli.options import (
    MODE_HELP,
    DataOption,
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

if TYPE_CHECKING:
    from instructsam.evaluation.benchmark import Benchmark
    from instructsam.evaluation.report import Report


def evaluate(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Model folder or hub id; the shipped default.")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="BENCHMARK", help="The same as --benchmark.")] = None,
    benchmark: Annotated[
        str | None,
        typer.Option(
            "--benchmark",
            help="world/val (the default), world/test, world/own_words, a folder with records.jsonl, or with "
            "--data one of the field's, such as refcoco/testA; instructsam data check DIR lists them.",
        ),
    ] = None,
    data: DataOption = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Only the first so many instructions.")] = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = Mode.auto,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for predictions.jsonl (a stopped run goes on), report.json, .md and .html."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            "--predictions", help="Score this predictions.jsonl, or that of this --out folder, again."
        ),
    ] = None,
    as_json: JsonOption = False,
    score_threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    quantize: QuantizeOption = None,
) -> int:
    """Score a model on a benchmark.

    Every instruction is answered, and what comes out is compared with the known masks. With --predictions nothing is
    answered: a stored run is scored again.
    """
    from instructsam.evaluation.benchmark import get_benchmark

    opening = Opening(model, device, dtype, quantize)
    check_threshold(score_threshold)
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1, got {limit}: leave it out for the whole benchmark")
    asked = _one_name(name, benchmark)
    if predictions is not None:
        if model is not None or limit is not None:
            raise InputError("--predictions scores a stored run as it is: leave out MODEL and --limit")
        report, chosen, path = _score_again(predictions, asked, data, score_threshold)
        _show(report, out, as_json, chosen, path)
        return 0
    chosen = get_benchmark(asked or "world/val", data)
    if out is not None:
        console.prepare_folder(out)
    with console.stdout_reserved(as_json), console.counter("instructions", limit) as advance:
        report = _run(opening, chosen, limit, mode, out, score_threshold, advance)
    _show(report, out, as_json, chosen, None if out is None else out / "predictions.jsonl")
    return 0


def _one_name(name: str | None, benchmark: str | None) -> str | None:
    if name is not None and benchmark is not None and name != benchmark:
        raise InputError(f"two benchmarks are named, {name!r} and --benchmark {benchmark!r}: leave one out")
    return name or benchmark


def _run(
    opening: Opening,
    chosen: Benchmark,
    limit: int | None,
    mode: Mode,
    out: Path | None,
    score_threshold: float | None,
    advance: Callable[[int], None],
) -> Report:
    from instructsam.evaluation.runner import evaluate as run_benchmark

    segmenter = opening.open()
    return run_benchmark(
        segmenter,
        chosen,
        limit=limit,
        phrases_given=is_direct(segmenter, mode),
        predictions_path=out / "predictions.jsonl" if out is not None else None,
        score_threshold=score_threshold,
        progress=advance,
        provenance={
            "model": f"{opening.model or 'default'}, weights {segmenter.fingerprint}",
            **opening.changes,
            "command": _command(),
        },
    )


def _score_again(
    predictions: Path, benchmark: str | None, data: Path | None, score_threshold: float | None
) -> tuple[Report, Benchmark, Path]:
    from instructsam.evaluation.benchmark import get_benchmark
    from instructsam.evaluation.compare import benchmark_name, predictions_file, stored_threshold
    from instructsam.evaluation.runner import rescore

    path = predictions_file(predictions)
    chosen = get_benchmark(benchmark or benchmark_name(path), data)
    threshold = stored_threshold(path) if score_threshold is None else score_threshold
    facts = {"command": _command(), "predictions": str(path)}
    return rescore(path, chosen, threshold, facts), chosen, path


def _command() -> str:
    return shlex.join(["instructsam", *sys.argv[1:]])


def _show(
    report: Report, out: Path | None, as_json: bool, chosen: Benchmark, predictions: Path | None
) -> None:
    if out is not None:
        from instructsam.evaluation.page import page_of_run

        console.prepare_folder(out)
        console.write_json(out / "report.json", report.to_dict())
        console.write_text(out / "report.md", report.to_markdown() + "\n")
        console.write_text(out / "report.html", page_of_run(report, chosen, predictions))
    if as_json:
        console.print_json(report.to_dict())
    else:
        print(report.to_text())
