"""`instructsam engine review`: people decide what the engine could not (docs/engine_review.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.cli import console
from instructsam.cli.options import JsonOption
from instructsam.cli.progress import counter
from instructsam.errors import InputError
from instructsam.structures.destinations import check_file_destination

if TYPE_CHECKING:
    from instructsam.engine.review.queue import ReviewItem
    from instructsam.experiments.engine.opened import Run

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="output_dir of an engine run.")]
HtmlOption = Annotated[Path | None, typer.Option("--html", help="Write the queue as a page to this file.")]
EmbedOption = Annotated[
    bool, typer.Option("--embed/--no-embed", help="Of the page: pictures inside, or files beside it.")
]
PerPageOption = Annotated[int, typer.Option("--per-page", min=1, help="Of the page: candidates of a file.")]
TasksOption = Annotated[
    Path | None, typer.Option("--label-studio", help="Write the queue as tasks of Label Studio (.json).")
]
UrlOption = Annotated[
    str | None,
    typer.Option("--image-url", help="Of tasks: prefix of the images' addresses; embedded when left out."),
]
LocalFilesOption = Annotated[
    str | None,
    typer.Option("--local-files", help="Of tasks: the images' folder below Label Studio's document root."),
]
DecisionsOption = Annotated[
    list[Path] | None,
    typer.Option("--decisions", help="Import decisions that the page saved, or an export of Label Studio."),
]
SampleOption = Annotated[
    int, typer.Option("--sample", min=0, help="Also this many accepted candidates, to measure precision.")
]
RejectedOption = Annotated[bool, typer.Option("--rejected", help="Also all rejected candidates.")]


def review(
    run: RunArgument,
    html: HtmlOption = None,
    label_studio: TasksOption = None,
    decisions: DecisionsOption = None,
    sample: SampleOption = 0,
    rejected: RejectedOption = False,
    embed: EmbedOption = True,
    per_page: PerPageOption = 200,
    image_url: UrlOption = None,
    local_files: LocalFilesOption = None,
    as_json: JsonOption = False,
) -> int:
    """Give the candidates that the engine could not decide to people, and import their decisions.

    Without an option: the number of candidates that wait, the decisions so far, and how often people agree.
    """
    from instructsam.experiments.engine import review as steps
    from instructsam.experiments.engine.opened import open_run

    for path, option in ((html, "--html"), (label_studio, "--label-studio")):
        if path is not None:
            check_file_destination(path, option)
    if image_url is not None and local_files is not None:
        raise InputError("expected --image-url or --local-files, got both: leave one out")
    opened = open_run(run)
    lines: list[str] = []
    with console.stdout_reserved(as_json):
        for path in decisions or ():
            about, imported = steps.import_review(opened, path)
            lines += [*about, *imported.lines()]
        items = steps.open_queue(opened, sample, rejected)
        lines.append(f"{len(items)} candidates wait for a decision")
        if html is not None:
            lines += _write_page(opened, items, html, embed, per_page)
        if label_studio is not None:
            files = steps.write_label_studio(opened, items, label_studio, image_url, local_files)
            lines += [f"written: {file}" for file in files]
        people = steps.summarize(opened)
        if html is None and label_studio is None and not decisions:
            lines += people.lines()
    if as_json:
        console.print_json({"waiting": len(items), "lines": lines, "decisions": people.to_dict()})
    else:
        for line in lines:
            console.say(line)
    return 0


def _write_page(run: Run, items: list[ReviewItem], path: Path, embed: bool, per_page: int) -> list[str]:
    """Lines about the written page."""
    from instructsam.experiments.engine.review import write_html

    with counter("candidates") as count:
        pages = write_html(run, items, path, embed, per_page, count)
    return [*pages.lines(), f"open {pages.files[0]} in a browser; then: --decisions FILE.jsonl"]
