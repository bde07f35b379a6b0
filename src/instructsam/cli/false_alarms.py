"""`instructsam false-alarms [MODEL] [--count 200]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.cli.destinations import check_run_folder
from instructsam.cli.options import (
    MODE_HELP,
    DeviceOption,
    DtypeOption,
    JsonOption,
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
from instructsam.structures.files import write_json


def false_alarms(
    model: ModelArgument = None,
    count: Annotated[
        int, typer.Option("--count", min=1, help="How many empty pictures, and as many scenes.")
    ] = 200,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for predictions.jsonl (a stopped run resumes) and false_alarms.json."
        ),
    ] = None,
    as_json: JsonOption = False,
    score_threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    quantize: QuantizeOption = None,
    threads: ThreadsOption = None,
) -> int:
    """Give a model instructions for what is not there, and count how often it finds something anyway."""
    from instructsam.evaluation.studies.false_alarms import count_false_alarms

    opening = Opening(model, device, dtype, quantize, threads)
    check_threshold(score_threshold)
    check_run_folder(out, "predictions.jsonl", "false_alarms.json")
    with console.stdout_reserved(as_json), counter("answers") as advance:
        advance.expect(2 * count)
        segmenter = opening.open()
        found = count_false_alarms(
            segmenter,
            count,
            is_direct(segmenter, mode),
            score_threshold,
            advance,
            opening.facts(segmenter.fingerprint),
            out,
            console.note,
        )
    if out is not None:
        write_json(out / "false_alarms.json", found.to_dict())
    return show(found, as_json)
