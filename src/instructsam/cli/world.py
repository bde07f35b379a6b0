"""`instructsam world`: picture sheets, splits, and a check of the language."""

from __future__ import annotations

import io
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.cli import console
from instructsam.structures.destinations import check_file_destination
from instructsam.structures.files import write_bytes

if TYPE_CHECKING:
    from PIL import Image

    from instructsam.world.scenes.sheet import SheetCell
    from instructsam.world.splits.stream import WorldSample

SHEET_SIDE = 256
SHEET_COLUMNS = 4

app = typer.Typer(
    help="The drawn world: picture sheets, splits and its language.",
    rich_markup_mode=None,
)


class Split(str, Enum):
    """Splits that are written; training scenes are generated on the fly."""

    val = "val"
    test = "test"
    test_unseen_pairs = "test_unseen_pairs"
    test_unseen_wording = "test_unseen_wording"
    test_crowded = "test_crowded"
    test_hard_negative = "test_hard_negative"
    val_unseen_style = "val_unseen_style"
    test_unseen_style = "test_unseen_style"


@app.command()
def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder for sheet.png.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the stream of scenes.")] = 7,
    count: Annotated[int, typer.Option("--count", min=1, max=400, help="Number of scenes.")] = 12,
    free: Annotated[
        bool,
        typer.Option("--free", help="Free instructions, in the words of eight styles, not from templates."),
    ] = False,
) -> int:
    """Draw a sheet of scenes, one instruction below each, with its targets outlined."""
    from instructsam.world.scenes.sheet import scene_sheet
    from instructsam.world.splits.stream import WorldSettings, world_sample

    path = check_file_destination(out / "sheet.png")
    settings = WorldSettings(short_sides=(SHEET_SIDE,), free_share=float(free))
    cells = [_cell(world_sample(seed, index, settings), index) for index in range(count)]
    _write_picture(path, scene_sheet(cells, SHEET_COLUMNS))
    console.say(f"{count} scenes of seed {seed}: {path}")
    return 0


@app.command()
def kinds(
    out: Annotated[Path, typer.Option("--out", help="Folder for kinds.png.")],
) -> int:
    """Draw every kind of object with its name, as large as in a picture, to judge whether it is recognised."""
    from instructsam.world.scenes.sheet import kind_sheet

    path = check_file_destination(out / "kinds.png")
    _write_picture(path, kind_sheet())
    console.say(f"every kind: {path}")
    return 0


@app.command()
def build(
    split: Annotated[Split, typer.Option("--split", help="Split to write.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for images/ and records.jsonl.")],
) -> int:
    """Write a split as pictures and Inst2Seg records."""
    from instructsam.world.splits.build import build_split

    check_file_destination(out / "records.jsonl")
    build_split(split.value, out)
    console.say(f"world/{split.value}: {out / 'records.jsonl'}")
    return 0


@app.command()
def language(
    style: Annotated[
        str, typer.Option("--style", help="Style of speaking; all of training without it.")
    ] = "",
    count: Annotated[int, typer.Option("--count", min=0, max=1000, help="Number of samples.")] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the scenes.")] = 7,
) -> int:
    """Check the data files of the language, and print instructions in the words of a style with what they mean."""
    from instructsam.world.instructions.samples import language_samples
    from instructsam.world.language.check import language_counts, language_problems

    problems = list(language_problems())
    for problem in problems:
        console.error(problem)
    if problems:
        return 1
    console.note(f"checked: {language_counts()}")
    for made in language_samples(style, count, seed):
        answer = "; ".join(f"{phrase.text} ({len(phrase.instances)})" for phrase in made.phrases)
        console.say(made.text)
        console.say(f"    {made.family}: {answer}")
    return 0


def _write_picture(path: Path, picture: Image.Image) -> None:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    write_bytes(path, stream.getvalue())


def _cell(drawn: WorldSample, index: int) -> SheetCell:
    """A scene with one of its instructions; `index` varies which one, so that the sheet shows several families."""
    from instructsam.world.scenes.sheet import SheetCell

    instruction = drawn.instructions[index % len(drawn.instructions)]
    targets = sorted({number for phrase in instruction.phrases for number in phrase.instances})
    answers = ", ".join(f"{phrase.text} ({len(phrase.instances)})" for phrase in instruction.phrases)
    caption = f"{instruction.text}\n{instruction.family}: {answers}"
    return SheetCell(drawn.rendered.image, [drawn.rendered.masks[number] for number in targets], caption)
