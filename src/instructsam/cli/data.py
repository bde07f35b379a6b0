"""`instructsam data check SOURCE`: what a source of training data, or a data folder, holds."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instructsam.cli import console
from instructsam.cli.options import DataOption, JsonOption, LimitOption
from instructsam.cli.progress import counter
from instructsam.structures.destinations import check_file_destination
from instructsam.structures.files import write_text

if TYPE_CHECKING:
    from instructsam.data.formats.reader import RecordReader
    from instructsam.experiments.data_check.limits import ModelLimits

app = typer.Typer(help="Sources of training data and data folders.", rich_markup_mode=None)
WORLD_RECORDS = 1000  # that are read of the drawn world, which has no end
SOURCE_HELP = (
    "Anything that data.source takes: a COCO file, a YOLO folder, records.jsonl, hf:ORG/NAME, world, or with --data a "
    "published set; or a data folder."
)
MODEL_HELP = "Compare with the limits of this model: a folder, a hub id, or default."
HTML_HELP = "Write a page with all counts and 12 pictures to this file."
MISSING_HELP = "For a data folder: also list missing benchmarks and their publishers."


@app.callback()
def _group() -> None:
    """Sources of training data."""


@app.command()
def check(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP)],
    images: Annotated[Path | None, typer.Option("--images", help="Folder of the images of a path.")] = None,
    data: DataOption = None,
    model: Annotated[str | None, typer.Option("--model", help=MODEL_HELP)] = None,
    html: Annotated[Path | None, typer.Option("--html", help=HTML_HELP)] = None,
    pixels: Annotated[
        bool, typer.Option("--pixels", help="Decode every image, not a sample of 200.")
    ] = False,
    limit: LimitOption = None,
    missing: Annotated[bool, typer.Option("--missing", help=MISSING_HELP)] = False,
    as_json: JsonOption = False,
) -> int:
    """Print what a source of training data holds, what is left out of it, and what to check before training.

    A malformed record is reported with its line and field. For a folder with published benchmarks: those that were
    found, their contents, and the records that were left out.

    Exit code 0 when everything is complete; 1 when there are no records, images are missing or unreadable, or a
    benchmark of the folder is incomplete or malformed; 2 when the source is malformed or does not exist.
    """
    if images is None and _is_data_folder(source):
        return _check_folder(Path(source), missing, as_json)
    from instructsam.experiments.data_check.check import check_source
    from instructsam.experiments.data_check.page import check_template, render_page

    template = None if html is None else check_template()
    if html is not None:
        check_file_destination(html, "--html")
    reader = _open(source, images, data)
    if limit is None and reader.name == "world":
        limit = WORLD_RECORDS
    limits = None if model is None else _limits_of(model)
    # A file of records alone is often checked where its images are not.
    look = images is not None or html is not None or pixels or not source.endswith(".jsonl")
    with console.stdout_reserved(as_json), counter("records") as advance:
        report = check_source(reader, limits, limit, look, pixels, html is not None, advance)
    if html is not None and template is not None:
        write_text(html, render_page(report, template))
    if as_json:
        console.print_json(report.to_dict())
    else:
        for line in report.lines():
            console.say(line)
        if html is not None:
            console.say(f"the page is {html}")
    return int(not report.is_usable)


def _is_data_folder(source: str) -> bool:
    """Whether this is a folder, but not one of a known format."""
    from instructsam.data.detect import FORMATS

    if not os.path.isdir(source):  # unlike Path.is_dir, does not raise for a name that is too long
        return False
    return not any(form.find(Path(source), "") for form in FORMATS)


def _open(source: str, images: Path | None, data: Path | None) -> RecordReader:
    from instructsam.experiments.data_check.readers import open_reader
    from instructsam.training.data_settings import DataSettings

    settings = DataSettings(source=source, images=str(images or ""), folder=str(data or ""))
    return open_reader(source, settings)


def _limits_of(model: str) -> ModelLimits:
    from instructsam.checkpoints.processors import load_processor
    from instructsam.checkpoints.resolve import resolve
    from instructsam.experiments.data_check.limits import ModelLimits
    from instructsam.processing.tokens import encode_text

    processor = load_processor(resolve(None if model == "default" else model))

    @lru_cache(maxsize=100_000)
    def count_tokens(text: str) -> int:
        return len(encode_text(processor.tokenizer, text.strip()))

    settings = processor.settings
    return ModelLimits(settings.num_queries, settings.max_instruction_tokens, count_tokens)


def _check_folder(folder: Path, list_missing: bool, as_json: bool) -> int:
    from instructsam.data.detect import formats
    from instructsam.data.folder_check import check_folder, is_usable

    reports: dict[str, list[dict[str, Any]]] = {"found": [], "incomplete": [], "missing": []}
    with console.stdout_reserved(as_json):
        for state, report in check_folder(folder):
            reports[state].append(report)
            if state == "found" and not as_json:
                _say_found(report)
    found, missing = reports["found"], reports["missing"]
    complete = bool(found) and not reports["incomplete"] and all(map(is_usable, found))
    if as_json:
        console.print_json(reports)
        return int(not complete)
    for report in reports["incomplete"]:
        console.say(_missing_line(report, "incomplete, without"))
    for report in missing if list_missing else ():
        console.say(_missing_line(report, "missing"))
    rest = "" if list_missing or not missing else "; --missing lists the others and who publishes them"
    console.say(f"{len(found)} of {sum(map(len, reports.values()))} benchmarks are in {folder}{rest}")
    if not found and not reports["incomplete"]:
        console.say(f"{folder} has no data of another known format either: {formats()}")
    return int(not complete)


def _missing_line(entry: dict[str, Any], word: str) -> str:
    return f"{entry['benchmark']}: {word} {', '.join(entry['missing'])}; get {entry['publisher']}"


def _say_found(entry: dict[str, Any]) -> None:
    from instructsam.data.formats.source import left_out_lines

    name = entry["benchmark"]
    if "error" in entry:
        console.say(f"{name}: {entry['error']}")
        return
    console.say(f"{name}: {entry['summary']}")
    for line in left_out_lines(entry["left_out"], entry["examples"]):
        console.say(f"{name}: {line}")
    if entry["absent_images"]:
        first = entry["first_absent_image"]
        console.say(f"{name}: {entry['absent_images']} images are missing, such as {first}")
