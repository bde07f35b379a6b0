"""`instructsam engine run|status|review|export`: the data engine (docs/engine.md)."""

from __future__ import annotations

import math
import shlex
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.cli import console
from instructsam.cli.engine_audit import audit
from instructsam.cli.engine_review import RunArgument, review
from instructsam.cli.options import JsonOption
from instructsam.cli.progress import Steps, counter
from instructsam.errors import InputError
from instructsam.structures.safe_text import one_line

if TYPE_CHECKING:
    from instructsam.engine.runners.progress import Progress, RunReport

app = typer.Typer(help="From images to verified instruction-instance records.", rich_markup_mode=None)
app.command()(audit)
app.command()(review)

RUN_GROUPS = ("vlm", "verifier", "propose", "verify", "reground", "cluster")
"""Settings that an export does not read."""
SHOWN = 5
"""Reasons of failures that are printed."""
WordsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="CONFIG [KEY=VALUE ...]",
        help="A YAML file such as configs/engine/world.yaml, and changes such as verify.votes=5.",
    ),
]
ChangesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE ...]", help="Changes to filters, balance and write."),
]


@app.callback()
def _group() -> None:
    """From images to verified instruction-instance records."""


@app.command()
def run(
    words: WordsArgument,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Only this many unfinished images.")] = 0,
    max_minutes: Annotated[
        float, typer.Option("--max-minutes", min=0.0, help="Time box of this command, 0 for none.")
    ] = 0.0,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Perform the rows on Ray, with the group cluster.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Write the questions about 3 images to RUN/preview; send nothing."),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Propose instructions about images and verify them; run again to resume.

    Every finished step is in the ledger at once: a killed run loses nothing, and repeats nothing that was paid for.
    The key of a server comes from the environment (vlm.key_variable).

    Exit code 0 when every image is finished; 1 when some failed or the run stopped early: run again.
    """
    from instructsam.config import load_config
    from instructsam.engine.settings.config import EngineConfig
    from instructsam.experiments.engine.run import preview, run_engine

    if not math.isfinite(max_minutes):
        raise InputError(f"--max-minutes must be a finite number of minutes, got {max_minutes}")
    path, changes = _split(words)
    config = load_config(EngineConfig, path, changes)
    if dry_run:
        files = preview(config, config.output_dir / "preview")
        for file in files:
            console.say(file)
        return 0
    with console.stdout_reserved(as_json), counter("images") as steps:
        report = run_engine(
            config,
            limit=limit,
            max_minutes=max_minutes,
            on_cluster=cluster,
            progress=lambda progress: _show(steps, progress),
            note=console.note,
        )
    if as_json:
        console.print_json(_to_dict(report))
    else:
        for line in _lines(report, config.output_dir):
            console.say(line)
    return int(bool(report.stopped) or report.progress.failed > 0)


@app.command()
def status(run: RunArgument, as_json: JsonOption = False) -> int:
    """Counts of a run: images, parts, decisions with reasons, votes, tokens and money."""
    from instructsam.experiments.engine.opened import open_run

    found = open_run(run).status()
    if as_json:
        console.print_json(found.to_dict())
    else:
        for line in found.lines():
            console.say(line)
    return 0


@app.command()
def export(
    run: RunArgument,
    changes: ChangesArgument = None,
    out: Annotated[
        str | None, typer.Option("--out", help="New folder, or a URL of fsspec; RUN/export when left out.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Filter, balance and write the accepted candidates of a run: records, COCO, Parquet, images and a card."""
    from instructsam.experiments.engine.export import export_run
    from instructsam.experiments.engine.opened import open_run

    if fixed := [word for word in changes or () if word.partition(".")[0] in RUN_GROUPS]:
        raise InputError(
            f"expected changes to filters, balance and write, got {' '.join(fixed)}: it decides what a run does, so "
            "give it to instructsam engine run"
        )
    with console.stdout_reserved(as_json):
        opened = open_run(run, changes)
        if (out or opened.config.write.folder).startswith("memory://"):
            raise InputError(
                "expected a folder or an object store, got memory://, which ends with this command"
            )
        result = export_run(opened, out)
    if as_json:
        console.print_json(result.to_dict())
    else:
        for line in result.lines():
            console.say(line)
    return 0


@app.command()
def prompts(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Is created.")]) -> int:
    """Write the shipped prompts into a folder, to be edited and named as propose.prompts; files there are kept."""
    from instructsam.engine.stages.prompts import copy_prompts

    written = copy_prompts(folder)
    for file in written:
        console.say(file)
    console.say(f"{len(written)} prompts written; use them with propose.prompts={folder}")
    return 0


def _split(words: list[str]) -> tuple[Path, list[str]]:
    """The YAML file and the changes of a command line."""
    configs = [word for word in words if "=" not in word]
    if len(configs) != 1 or not configs[0].endswith((".yaml", ".yml")):
        raise InputError(
            f"expected one YAML file and changes such as verify.votes=5, got {' '.join(configs) or 'no file'}"
        )
    return Path(configs[0]), [word for word in words if "=" in word]


def _show(steps: Steps, progress: Progress) -> None:
    steps.total = progress.total
    detail = f"{progress.accepted} accepted, {progress.rejected} rejected, {progress.review} for review"
    if progress.failed:
        detail += f", {progress.failed} images failed"
    if progress.cost:
        detail += f", cost {progress.cost:.2f}"
    steps(progress.done + progress.failed, detail)


def _lines(report: RunReport, folder: Path) -> list[str]:
    end, usage = report.progress, report.progress.usage
    lines = [
        f"{end.done} of {end.total} images finished ({end.resumed} of them before, {end.skipped} without candidates)",
        f"{end.accepted} candidates accepted, {end.rejected} rejected, {end.review} for review",
        f"this run: {usage.input_tokens:,} + {usage.output_tokens:,} tokens, cost {end.cost:.2f}, {end.seconds:.0f} s",
        *(
            f"failed: {count} x {one_line(reason)}"
            for reason, count in islice(report.failures.items(), SHOWN)
        ),
    ]
    if (hidden := len(report.failures) - SHOWN) > 0:
        lines.append(f"failed: {hidden} further reasons; --json lists all")
    if report.examples:
        names = ", ".join(one_line(row) for row, _ in report.examples[:SHOWN])
        lines.append(f"failed images (ROW): {names}{', ...' * (end.failed > SHOWN)}")
    if report.stopped:
        return [*lines, f"stopped: {one_line(report.stopped)}"]
    if end.failed:
        return [*lines, "run again to try the failed images again"]
    if (left := (end.total or 0) - end.done) > 0:
        return [*lines, f"run again for the other {left} images"]
    command = "export" if end.accepted else "status"  # which has the reasons
    return [*lines, f"next: instructsam engine {command} {shlex.quote(str(folder))}"]


def _to_dict(report: RunReport) -> dict[str, object]:
    from pydantic import TypeAdapter

    found: dict[str, object] = TypeAdapter(type(report)).dump_python(report, mode="json")
    return found
