"""`instructsam data check FILE` and `instructsam data check DIR`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instructsam.cli import console
from instructsam.cli.options import JsonOption
from instructsam.errors import InputError

if TYPE_CHECKING:
    from instructsam.data.published import Published

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
    from instructsam.data.published import PUBLISHED

    found: list[dict[str, Any]] = []
    begun: list[dict[str, Any]] = []
    absent: list[dict[str, Any]] = []
    with console.stdout_reserved(as_json):
        for known in PUBLISHED:
            files = known.missing(folder)
            if files:
                entry = {"benchmark": known.name, "missing": files, "where": known.where}
                (begun if known.is_begun(folder) else absent).append(entry)
                continue
            entry = _census(known, folder)
            (absent if "missing" in entry else found).append(entry)
            if not as_json and "missing" not in entry:
                _say_found(entry)
    whole = bool(found) and not begun and not any(_is_broken(entry) for entry in found)
    if as_json:
        console.print_json({"found": found, "incomplete": begun, "missing": absent})
        return int(not whole)
    for entry in begun:
        console.say(_missing_line(entry, "incomplete, without"))
    for entry in absent if list_missing else ():
        console.say(_missing_line(entry, "missing"))
    rest = "" if list_missing or not absent else "; --missing lists the others and who publishes them"
    console.say(f"{len(found)} of {len(PUBLISHED)} benchmarks are in {folder}{rest}")
    return int(not whole)


def _missing_line(entry: dict[str, Any], word: str) -> str:
    return f"{entry['benchmark']}: {word} {', '.join(entry['missing'])}; get {entry['where']}"


def _is_broken(entry: dict[str, Any]) -> bool:
    return "error" in entry or entry["absent_images"] > 0 or entry["records"] == 0


def _census(known: Published, folder: Path) -> dict[str, Any]:
    """The contents of a benchmark, its error, or the split that its file lacks."""
    from instructsam.data.formats.refer import NoSuchSplitError
    from instructsam.data.formats.source import Tally
    from instructsam.data.published import Census

    tally = Tally()
    try:
        census = Census.of(known.read(folder, tally), tally, folder)
    except NoSuchSplitError:
        return {"benchmark": known.name, "missing": [f"its split in {known.files[0]}"], "where": known.where}
    except InputError as problem:
        return {"benchmark": known.name, "error": str(problem)}
    return {"benchmark": known.name, "summary": census.sentence(), **census.to_dict()}


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
