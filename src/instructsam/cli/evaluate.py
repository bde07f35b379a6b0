"""`instructsam evaluate [MODEL] [BENCHMARK] [--data DIR]`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.cli import console
from instructsam.cli.baselines import AnyOpening
from instructsam.cli.benchmark_names import model_and_benchmark
from instructsam.cli.destinations import check_run_folder
from instructsam.cli.options import (
    MODE_HELP,
    DataOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LimitOption,
    QuantizeOption,
    ThreadsOption,
    ThresholdOption,
    VlmOption,
    VlmUrlOption,
    check_threshold,
    is_direct,
)
from instructsam.cli.progress import counter
from instructsam.cli.tables import UNANSWERED_CODE, print_table
from instructsam.errors import InputError, MissingExtraError
from instructsam.structures.answering import Mode
from instructsam.structures.files import write_json, write_text

if TYPE_CHECKING:
    from instructsam.evaluation.benchmarks.benchmark import Benchmark
    from instructsam.evaluation.reports.report import Report

    _Scored = tuple[Report, Benchmark, Path | None]


_FILES = ("predictions.jsonl", "report.json", "report.md", "report.html")


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Model folder, hub id or baseline; the default when left out."),
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
    limit: LimitOption = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for predictions.jsonl (a stopped run resumes), report.json, .md and .html."
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
    vlm: VlmOption = None,
    vlm_url: VlmUrlOption = None,
    threads: ThreadsOption = None,
) -> int:
    """Score a model or a baseline (sam3:FOLDER, agent:DETECTOR, oracle:MODEL) on a benchmark.

    Every instruction is answered, and the answers are compared with the known masks. With --predictions nothing is
    answered: a stored run is scored again. To share the images among N processes, start
    python -m torch.distributed.run --nproc_per_node N -m instructsam evaluate MODEL BENCHMARK --out FOLDER
    The exit code is 1 where records are unanswered (instruction too long, image unreadable); the report names them.
    """
    model, chosen_name = model_and_benchmark(model, name, benchmark)
    opening = AnyOpening(model, device, dtype, quantize, threads, vlm, vlm_url)
    check_threshold(score_threshold)
    scored: _Scored | None
    if predictions is None:
        scored = _run(opening, chosen_name, data, limit, mode, out, score_threshold, as_json)
    elif model is not None or limit is not None:
        raise InputError("--predictions scores a stored run as it is: leave out MODEL and --limit")
    else:
        check_run_folder(out, *_FILES)
        scored = _score_again(predictions, chosen_name, data, score_threshold)
    if scored is None:
        return 0
    _show(*scored, out, as_json)
    return UNANSWERED_CODE if scored[0].unanswered else 0


def _run(
    opening: AnyOpening,
    name: str | None,
    data: Path | None,
    limit: int | None,
    mode: Mode,
    out: Path | None,
    score_threshold: float | None,
    quiet: bool,
) -> _Scored | None:
    """None in processes that do not score."""
    from instructsam.evaluation.benchmarks.names import DEFAULT_BENCHMARK, get_benchmark
    from instructsam.evaluation.distributed import evaluate_together, own_device
    from instructsam.evaluation.runner import evaluate as run_benchmark
    from instructsam.evaluation.runs.shards import Shard

    shard, chosen = Shard.from_environment(), get_benchmark(name or DEFAULT_BENCHMARK, data)
    if out is None and shard.processes > 1:
        raise InputError(
            f"{shard.processes} processes bring their answers together in a folder: give --out FOLDER"
        )
    check_run_folder(out, *_FILES, alone=shard.is_main)
    path = None if out is None else out / _FILES[0]
    count = chosen.check(limit)
    share = "" if shard.processes == 1 else f" (process 1 of {shard.processes})"
    with console.stdout_reserved(quiet), counter(f"instructions{share}", shard.is_main) as advance:
        segmenter = replace(opening, device=own_device(opening.device, shard)).open_any()
        if shard.is_main:
            advance.expect(None if count is None else -(-count // shard.processes))
        facts = opening.facts(segmenter.fingerprint)
        direct = is_direct(segmenter, mode)
        report: Report | None
        if path is not None and shard.processes > 1:
            report = evaluate_together(
                segmenter, chosen, shard, path, limit, direct, score_threshold, advance, facts, console.note
            )
        else:
            report = run_benchmark(
                segmenter, chosen, limit, direct, path, score_threshold, advance, facts, console.note
            )
    if report is None:
        return None
    if segmenter.calls is not None:
        scope = "in this run" if shard.processes == 1 else f"of process 1 of {shard.processes} in this run"
        report = replace(report, notes=(*report.notes, f"{segmenter.calls.note()} {scope}"))
    return report, chosen, path


def _score_again(
    predictions: Path, benchmark: str | None, data: Path | None, score_threshold: float | None
) -> _Scored:
    from instructsam.evaluation.benchmarks.names import get_benchmark
    from instructsam.evaluation.rescore import rescore
    from instructsam.evaluation.runs.stored_run import (
        benchmark_name,
        predictions_file,
        stored_limit,
        stored_threshold,
    )

    path = predictions_file(predictions)
    chosen = get_benchmark(benchmark or benchmark_name(path), data)
    threshold = stored_threshold(path) if score_threshold is None else score_threshold
    facts = {"command": console.command_line(), "predictions": str(path)}
    return rescore(path, chosen, threshold, facts, stored_limit(path)), chosen, path


def _show(
    report: Report, chosen: Benchmark, predictions: Path | None, out: Path | None, as_json: bool
) -> None:
    if out is not None:
        from instructsam.evaluation.reports.page import page_of_run

        write_json(out / "report.json", report.to_dict())
        write_text(out / "report.md", report.to_markdown() + "\n")
        try:
            write_text(out / "report.html", page_of_run(report, chosen, predictions))
        except MissingExtraError as missing:
            console.note(f"{out / 'report.html'} is not written: {missing}")
    if as_json:
        console.print_json(report.to_dict())
    else:
        print_table(report.to_text())
