"""`instructsam ablate PLAN`: variants of a small model, trained on the same batches, in one table."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console
from instructsam.errors import InputError
from instructsam.structures.destinations import check_folder_destination, prepare_folder


def ablate(
    config: Annotated[
        Path, typer.Argument(metavar="PLAN", help="A YAML file such as configs/world/ablations/claims.yaml.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of all runs and the table; runs/ablations/NAME.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Only this variant (may be repeated).")
    ] = None,
    table_only: Annotated[
        bool, typer.Option("--table-only", help="Write the table of the finished runs; train nothing.")
    ] = False,
    max_minutes: Annotated[
        float, typer.Option("--max-minutes", min=0, help="Stop after so long; 0 for no limit.")
    ] = 0,
) -> int:
    """Train and score the variants of a small model that a plan lists, and compare them.

    Repeat the command to continue: finished runs are skipped, a half-trained one resumes.
    """
    from instructsam.config import load_config
    from instructsam.experiments.plan import Plan, jobs_of
    from instructsam.experiments.run import Clock, check_folders, check_models, work, write_table

    if not math.isfinite(max_minutes):
        raise InputError(f"--max-minutes must be a finite number of minutes, got {max_minutes}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            "ablate runs as one process; start several with different --only instead of torch.distributed.run"
        )
    plan = load_config(Plan, config)
    folder = out or Path("runs") / "ablations" / plan.name
    jobs = jobs_of(plan, config, folder, only or ())
    every = jobs_of(plan, config, folder)
    prepare_folder(folder)
    if not table_only:
        for job in jobs:
            check_folder_destination(job.folder)
    check_folders(every)
    stopped = None
    if not table_only:
        check_models(jobs)
        stopped = work(jobs, plan.evaluation, Clock(max_minutes), console.note)
    print(write_table(plan, every, folder))
    if stopped is None:
        return 0
    console.note(f"stopped during {stopped.job}; the same command continues")
    return stopped.exit_code
