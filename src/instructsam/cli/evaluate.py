"""`instructsam evaluate [MODEL] [BENCHMARK] [--data DIR]`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    QuantizeOption,
    ThreadsOption,
    ThresholdOption,
    VlmOption,
    VlmUrlOption,
    check_threshold,
    is_direct,
)
from instructsam.cli.progress import counter
from instructsam.cli.rivals import AnyOpening
from instructsam.errors import InputError
from instructsam.structures.files import prepare_folder, write_text

if TYPE_CHECKING:
    from instructsam.evaluation.benchmark import Benchmark
    from instructsam.evaluation.report import Report
    from instructsam.evaluation.shards import Shard

    _Scored = tuple[Report, Benchmark, Path | None]


def evaluate(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Model folder, hub id or rival; the default.")
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
    vlm: VlmOption = None,
    vlm_url: VlmUrlOption = None,
    threads: ThreadsOption = None,
) -> int:
    """Score a model or a rival (sam3:FOLDER, agent:DETECTOR, oracle:MODEL) on a benchmark.

    Every instruction is answered, and what comes out is compared with the known masks. With --predictions nothing is
    answered: a stored run is scored again. To share the pictures among N processes, start
    python -m torch.distributed.run --nproc_per_node N -m instructsam evaluate MODEL BENCHMARK --out FOLDER
    """
    opening = AnyOpening(model, device, dtype, quantize, threads, vlm, vlm_url)
    check_threshold(score_threshold)
    _check_limit(limit)
    asked = _one_name(name, benchmark)
    scored: _Scored | None
    if predictions is None:
        scored = _run(opening, asked, data, limit, mode, out, score_threshold, as_json)
    elif model is not None or limit is not None:
        raise InputError("--predictions scores a stored run as it is: leave out MODEL and --limit")
    else:
        scored = _score_again(predictions, asked, data, score_threshold)
    if scored is not None:
        _show(*scored, out, as_json)
    return 0


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise InputError(f"--limit must be at least 1, got {limit}: leave it out for the whole benchmark")


def _one_name(name: str | None, benchmark: str | None) -> str | None:
    if name is not None and benchmark is not None and name != benchmark:
        raise InputError(f"two benchmarks are named, {name!r} and --benchmark {benchmark!r}: leave one out")
    return name or benchmark


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
    from instructsam.baselines.calls import Calls
    from instructsam.evaluation.benchmark import get_benchmark
    from instructsam.evaluation.runner import evaluate as run_benchmark
    from instructsam.evaluation.shards import Shard
    from instructsam.evaluation.together import evaluate_together, own_device

    shard, chosen = Shard.from_environment(), get_benchmark(name or "world/val", data)
    if out is None and shard.processes > 1:
        raise InputError(
            f"{shard.processes} processes bring their answers together in a folder: give --out FOLDER"
        )
    path = None if out is None else prepare_folder(out) / "predictions.jsonl"
    share = "" if shard.processes == 1 else f" (process 1 of {shard.processes})"
    with console.stdout_reserved(quiet), counter(f"instructions{share}", shard.is_main) as advance:
        segmenter = replace(opening, device=own_device(opening.device, shard)).open_any()
        if shard.is_main:
            advance.expect(_own_number(chosen, data, limit, shard))
        facts = opening.facts(segmenter.fingerprint) | {"mask_threshold": "logit 0"}
        direct = is_direct(segmenter, mode)
        report: Report | None
        if path is not None and shard.processes > 1:
            report = evaluate_together(
                segmenter, chosen, shard, path, limit, direct, score_threshold, advance, facts
            )
        else:
            report = run_benchmark(segmenter, chosen, limit, direct, path, score_threshold, advance, facts)
    if report is None:
        return None
    calls = getattr(segmenter, "calls", None)
    if isinstance(calls, Calls):  # a rival, which asks several times
        whose = "in this run" if shard.processes == 1 else f"of process 1 of {shard.processes} in this run"
        report = replace(report, notes=(*report.notes, f"{calls.note()} {whose}"))
    return report, chosen, path


def _own_number(
    chosen: Benchmark, data: Path | None, limit: int | None, shard: Shard
) -> int | Callable[[], int]:
    """How many instructions are this process's, about; a function where they must be counted first."""
    from instructsam.evaluation.benchmark import get_benchmark

    if chosen.size is not None:
        return -(-chosen.count(limit) // shard.processes)
    again = get_benchmark(chosen.name, data)  # with a tally of its own
    return lambda: -(-again.count(limit) // shard.processes)


def _score_again(
    predictions: Path, benchmark: str | None, data: Path | None, score_threshold: float | None
) -> _Scored:
    from instructsam.evaluation.benchmark import get_benchmark
    from instructsam.evaluation.compare import benchmark_name, predictions_file, stored_threshold
    from instructsam.evaluation.runner import rescore

    path = predictions_file(predictions)
    chosen = get_benchmark(benchmark or benchmark_name(path), data)
    threshold = stored_threshold(path) if score_threshold is None else score_threshold
    facts = {"command": console.command_line(), "predictions": str(path)}
    return rescore(path, chosen, threshold, facts), chosen, path


def _show(
    report: Report, chosen: Benchmark, predictions: Path | None, out: Path | None, as_json: bool
) -> None:
    if out is not None:
        from instructsam.evaluation.page import page_of_run

        prepare_folder(out)
        console.write_json(out / "report.json", report.to_dict())
        write_text(out / "report.md", report.to_markdown() + "\n")
        write_text(out / "report.html", page_of_run(report, chosen, predictions))
    if as_json:
        console.print_json(report.to_dict())
    else:
        print(report.to_text())
