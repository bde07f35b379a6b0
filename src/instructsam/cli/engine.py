"""`instructsam engine run|status|review|export`: the data engine (docs/engine.md)."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.cli import console
from instructsam.cli.engine_audit import audit
from instructsam.cli.options import JsonOption
from instructsam.cli.progress import Steps, counter
from instructsam.errors import InputError
from instructsam.structures.destinations import check_file_destination
from instructsam.structures.safe_text import one_line

if TYPE_CHECKING:
    from instructsam.engine.runners.progress import Progress, RunReport

app = typer.Typer(help="From images to verified instruction-instance records.", rich_markup_mode=None)
app.command()(audit)

SHOWN = 5
"""Reasons of failures that are printed."""
WordsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="CONFIG [KEY=VALUE ...]",
        help="A YAML file such as configs/engine/world.yaml, and changes such as verify.votes=5.",
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="output_dir of an engine run.")]
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

    with console.stdout_reserved(as_json):
        result = export_run(open_run(run, changes), out)
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


@app.command()
def review(
    run: RunArgument,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the queue as a page to this file.")
    ] = None,
    label_studio: Annotated[
        Path | None, typer.Option("--label-studio", help="Write the queue as tasks of Label Studio (.json).")
    ] = None,
    decisions: Annotated[
        list[Path] | None,
        typer.Option("--decisions", help="Import decisions: .jsonl of the page, .json of Label Studio."),
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", min=0, help="Also this many accepted candidates, to measure precision.")
    ] = 0,
    rejected: Annotated[bool, typer.Option("--rejected", help="Also all rejected candidates.")] = False,
    image_url: Annotated[
        str | None,
        typer.Option(
            "--image-url", help="Of tasks: prefix of the images' addresses; embedded when left out."
        ),
    ] = None,
    embed: Annotated[
        bool, typer.Option("--embed/--no-embed", help="Of the page: pictures inside, or files beside it.")
    ] = True,
    as_json: JsonOption = False,
) -> int:
    """Give the candidates that the engine could not decide to people, and import their decisions.

    Without an option: the number of candidates that wait, and the decisions so far.
    """
    from instructsam.experiments.engine import review as steps
    from instructsam.experiments.engine.opened import open_run

    for path, option in ((html, "--html"), (label_studio, "--label-studio")):
        if path is not None:
            check_file_destination(path, option)
    opened = open_run(run)
    lines: list[str] = []
    with console.stdout_reserved(as_json):
        for path in decisions or ():
            about, imported = steps.import_review(opened, path)
            lines += [*about, *imported.lines()]
        items = steps.open_queue(opened, sample, rejected)
        lines.append(f"{len(items)} candidates wait for a decision")
        if html is not None:
            with counter("candidates") as count:
                pages = steps.write_html(opened, items, html, embed, count)
            lines += [f"left out: {number} x {reason}" for reason, number in pages.left_out.items()]
            lines.append(f"open {pages.files[0]} in a browser; then: --decisions FILE.jsonl")
        if label_studio is not None:
            files = steps.write_label_studio(opened, items, label_studio, image_url)
            lines += [f"written: {file}" for file in files]
    if as_json:
        console.print_json({"waiting": len(items), "lines": lines})
    else:
        for line in lines:
            console.say(line)
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
    if report.stopped:
        return [*lines, f"stopped: {one_line(report.stopped)}"]
    if end.failed:
        return [*lines, "run again to try the failed images again"]
    return [*lines, f"next: instructsam engine export {folder}"]


def _to_dict(report: RunReport) -> dict[str, object]:
    from pydantic import TypeAdapter

    found: dict[str, object] = TypeAdapter(type(report)).dump_python(report, mode="json")
    return found
