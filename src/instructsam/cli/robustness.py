"""`instructsam robustness [MODEL] [--benchmark world/val]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.cli.benchmark_names import model_and_benchmark
from instructsam.cli.destinations import check_run_folder
from instructsam.cli.options import (
    MODE_HELP,
    DataOption,
    DeviceOption,
    DtypeOption,
    JsonOption,
    LimitOption,
    ModelArgument,
    Opening,
    QuantizeOption,
    ThreadsOption,
    ThresholdOption,
    check_threshold,
    is_direct,
)
from instructsam.cli.progress import counter
from instructsam.cli.tables import show
from instructsam.structures.answering import Mode
from instructsam.structures.files import write_json, write_text


def robustness(
    model: ModelArgument = None,
    benchmark: Annotated[
        str | None,
        typer.Option("--benchmark", help="Any benchmark of instructsam evaluate; world/val when left out."),
    ] = None,
    data: DataOption = None,
    limit: LimitOption = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the predictions (a stopped run resumes) and robustness.json and .md."
        ),
    ] = None,
    as_json: JsonOption = False,
    score_threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    quantize: QuantizeOption = None,
    threads: ThreadsOption = None,
) -> int:
    """Score a model on changed pictures: mirrored, cropped, compressed, darker, brighter.

    Each change is compared with the untouched pictures on the very same instructions.
    """
    from instructsam.evaluation.benchmarks.names import DEFAULT_BENCHMARK, get_benchmark
    from instructsam.evaluation.studies.robustness import measure

    model, name = model_and_benchmark(model, None, benchmark)
    opening = Opening(model, device, dtype, quantize, threads)
    check_threshold(score_threshold)
    chosen = get_benchmark(name or DEFAULT_BENCHMARK, data)
    check_run_folder(out, "robustness.json", "robustness.md")
    chosen.check(limit)
    with console.stdout_reserved(as_json), counter("answers") as advance:
        segmenter = opening.open()
        found = measure(
            segmenter,
            chosen,
            limit,
            is_direct(segmenter, mode),
            out,
            score_threshold,
            advance,
            opening.facts(segmenter.fingerprint),
            warn=console.note,
        )
    if out is not None:
        write_json(out / "robustness.json", found.to_dict())
        write_text(out / "robustness.md", found.to_markdown() + "\n")
    return show(found, as_json)
