"""`instructsam demo`: a shipped scene, a shipped instruction."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli.options import DeviceOption, ModelOption, Opening, ThreadsOption
from instructsam.cli.segment_request import parse_request
from instructsam.cli.segment_run import Settings, answer
from instructsam.errors import InputError

EXAMPLES = "assets/examples"


def examples_folder() -> Path:
    """The folder of the shipped images, with `instructions.json`: {file name: [instruction, ...]}."""
    return Path(str(files("instructsam").joinpath(EXAMPLES)))


def shipped_examples(folder: Path) -> dict[str, list[str]]:
    """Instructions by image, in the order of the file.

    Raises:
        InputError: the examples are missing.
    """
    try:
        examples: dict[str, list[str]] = json.loads((folder / "instructions.json").read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise InputError(
            f"{folder / 'instructions.json'}: the shipped examples are missing: reinstall the package"
        ) from problem
    return examples


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the overlay.")] = Path("out/demo"),
    model: ModelOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> int:
    """Segment a shipped scene and print the path of the overlay."""
    folder = examples_folder()
    name, instructions = next(iter(shipped_examples(folder).items()))
    request = parse_request([str(folder / name)], [instructions[0]], out=out)
    return answer(request, Settings(Opening(model, device, threads=threads), out=out))
