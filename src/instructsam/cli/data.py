"""`instructsam data check FILE` and `instructsam data check DIR`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from instructsam.cli import console
from instructsam.cli.options import JsonOption

app = typer.Typer(help="Inst2Seg record files and data folders.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Inst2Seg records."""


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A records.jsonl, or a data folder.")],
    missing: Annotated[
        bool,
        typer.Option("--missing", help="Also list the missing benchmarks, and who publishes them."),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Check every record of a file, or every benchmark of a data folder.

    A malformed record is reported with its line and field. For a folder: the benchmarks found, their contents, and
    the records that were left out.

    Exit code 0 when everything is complete; 1 when a benchmark of the folder is malformed, has no records, or lacks
    files or images, or when there is no benchmark; 2 when a record file is malformed.
    """
    is_folder = os.path.isdir(path)  # unlike Path.is_dir, does not raise for a name that is too long
    if is_folder and not (path / "records.jsonl").is_file():
        return _check_folder(path, missing, as_json)
    from instructsam.data.formats.source import Tally
    from instructsam.data.published import Census
    from instructsam.data.record import read_records

    file, folder = (path / "records.jsonl", path) if is_folder else (path, None)
    census = Census.of(read_records(file), Tally(), folder)
    if as_json:
        console.print_json({"file": str(file), **census.to_dict()})
    else:
        console.say(f"{file}: {census.sentence()}")
        _say_absent_images(str(file), census.to_dict())
    return int(census.absent_images > 0 or census.records == 0)


def _check_folder(folder: Path, list_missing: bool, as_json: bool) -> int:
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
    _say_absent_images(name, entry)


def _say_absent_images(name: str, entry: dict[str, Any]) -> None:
    if entry["absent_images"]:
        first = entry["first_absent_image"]
        console.say(f"{name}: {entry['absent_images']} images are missing, such as {first}")
