"""`instructsam data check FILE` and `instructsam data check DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instructsam.cli import console
from instructsam.cli.options import JsonOption
from instructsam.errors import InputError

if TYPE_CHECKING:
    from instructsam.evaluation.published import Published

app = typer.Typer(help="Inst2Seg record files and data folders.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Inst2Seg records."""


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A records.jsonl, or a data folder.")],
    as_json: JsonOption = False,
) -> int:
    """Read every record; the first wrong one is named with its line and field.

    Of a data folder: which of the field's benchmarks are there, what they hold and what was left out; which are
    not, what is missing and who publishes it.

    Exit code 1 when a benchmark of the folder is malformed or lacks pictures.
    """
    if path.is_dir() and not (path / "records.jsonl").is_file():
        return _check_folder(path, as_json)
    from instructsam.data.formats.source import Tally
    from instructsam.data.record import read_records
    from instructsam.evaluation.published import Census

    file = path / "records.jsonl" if path.is_dir() else path
    census = Census.of(read_records(file), Tally())
    if as_json:
        console.print_json({"file": str(file), **census.to_dict()})
    else:
        console.say(f"{file}: {census.sentence()}")
    return 0


def _check_folder(folder: Path, as_json: bool) -> int:
    from instructsam.evaluation.published import PUBLISHED

    found, absent = [], []
    with console.stdout_reserved(as_json):
        for known in PUBLISHED:
            missing = known.missing(folder)
            if missing:
                absent.append({"benchmark": known.name, "missing": missing, "where": known.where})
            else:
                found.append(_census(known, folder))
                if not as_json:
                    _say_found(found[-1])
    bad = any("error" in entry or entry["absent_images"] for entry in found)
    if as_json:
        console.print_json({"found": found, "missing": absent})
        return int(bad)
    for entry in absent:
        console.say(f"{entry['benchmark']}: missing {', '.join(entry['missing'])}; get {entry['where']}")
    console.say(f"{len(found)} of {len(PUBLISHED)} benchmarks are in {folder}")
    return int(bad)


def _census(known: Published, folder: Path) -> dict[str, Any]:
    from instructsam.data.formats.source import Tally
    from instructsam.evaluation.published import Census

    tally = Tally()
    try:
        census = Census.of(known.read(folder, tally), tally, folder)
    except InputError as problem:
        return {"benchmark": known.name, "error": str(problem)}
    return {"benchmark": known.name, "says": census.sentence(), **census.to_dict()}


def _say_found(entry: dict[str, Any]) -> None:
    from instructsam.data.formats.source import left_out_lines

    name = entry["benchmark"]
    if "error" in entry:
        console.say(f"{name}: {entry['error']}")
        return
    console.say(f"{name}: {entry['says']}")
    for line in left_out_lines(entry["left_out"]):
        console.say(f"{name}: {line}")
    if entry["absent_images"]:
        first = entry["first_absent_image"]
        console.say(f"{name}: {entry['absent_images']} pictures are not there, such as {first}")
