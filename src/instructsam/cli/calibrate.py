"""`instructsam calibrate [MODEL]`."""

from __future__ import annotations

from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.cli.options import (
    MODE_HELP,
    DeviceOption,
    JsonOption,
    Mode,
    ModelArgument,
    Opening,
    ThreadsOption,
    is_direct,
)
from instructsam.cli.progress import counter


def calibrate(
    model: ModelArgument = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first so many instructions.")
    ] = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = Mode.auto,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> int:
    """Score every threshold on world/calibration, scenes that are neither trained on nor reported."""
    opening = Opening(model, device, threads=threads)
    with console.stdout_reserved(as_json), counter("instructions") as advance:
        from instructsam.evaluation.benchmark import get_benchmark
        from instructsam.evaluation.calibrate import CALIBRATION
        from instructsam.evaluation.calibrate import calibrate as score_thresholds

        segmenter = opening.open()
        advance.expect(get_benchmark(CALIBRATION).count(limit))
        table = score_thresholds(segmenter, is_direct(segmenter, mode), limit, advance)
    if as_json:
        console.print_json({"rows": table.rows, "best": table.best})
    else:
        print(table.to_text())
    return 0
