"""`instructsam calibrate [MODEL]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.cli.destinations import check_run_folder
from instructsam.cli.options import (
    MODE_HELP,
    DeviceOption,
    JsonOption,
    LimitOption,
    ModelArgument,
    Opening,
    ThreadsOption,
    is_direct,
)
from instructsam.cli.progress import counter
from instructsam.cli.tables import show
from instructsam.structures.answering import Mode
from instructsam.structures.files import write_json


def calibrate(
    model: ModelArgument = None,
    limit: LimitOption = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for predictions.jsonl (a stopped run resumes) and calibration.json."
        ),
    ] = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> int:
    """Score every threshold on world/calibration, scenes that are neither trained on nor reported."""
    opening = Opening(model, device, threads=threads)
    check_run_folder(out, "predictions.jsonl", "calibration.json")
    with console.stdout_reserved(as_json), counter("instructions") as advance:
        from instructsam.evaluation.benchmarks.names import get_benchmark
        from instructsam.evaluation.studies.calibrate import CALIBRATION
        from instructsam.evaluation.studies.calibrate import calibrate as score_thresholds

        segmenter = opening.open()
        advance.expect(get_benchmark(CALIBRATION).check(limit))
        facts = opening.facts(segmenter.fingerprint)
        direct = is_direct(segmenter, mode)
        table = score_thresholds(segmenter, direct, limit, advance, None, out, facts, console.note)
    if out is not None:
        write_json(out / "calibration.json", table.to_dict())
    return show(table, as_json)
