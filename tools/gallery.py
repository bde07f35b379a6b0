"""Segment the shipped scenes with all shipped instructions: `python tools/gallery.py --out DIR`.

Writes one image per scene with a column per instruction, sheet.jpg with all answers, and prints phrases, status and
scores. `--instructions free_instructions.json` takes the freely worded ones.
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path

from PIL import Image

import instructsam
from instructsam.visualization.palette import PAPER


def in_a_row(images: list[Image.Image], width: int = 380) -> Image.Image:
    """Images side by side, each `width` px wide, on the dark background of their captions."""
    scaled = [image.resize((width, image.height * width // image.width)) for image in images]
    row = Image.new("RGB", (width * len(scaled), max(image.height for image in scaled)), PAPER)
    for number, image in enumerate(scaled):
        row.paste(image, (number * width, 0))
    return row


def sheet(images: list[Image.Image], columns: int = 4) -> Image.Image:
    """All images in rows, one below the other."""
    rows = [in_a_row(images[first : first + columns], 320) for first in range(0, len(images), columns)]
    whole = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height
    return whole


def main() -> None:
    """Segment with every instruction and save one image per scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/gallery"))
    parser.add_argument("--model", default=None, help="folder or hub id; default: the shipped one")
    parser.add_argument("--mode", default="auto", choices=("auto", "generate", "direct"))
    parser.add_argument(
        "--instructions", default="instructions.json", help="file name among the shipped examples"
    )
    parser.add_argument("--scenes", nargs="*", help="file names; default: all shipped scenes")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    folder = Path(str(files("instructsam") / "assets" / "examples"))
    segmenter = instructsam.load(arguments.model)
    every: list[Image.Image] = []
    for name, instructions in json.loads((folder / arguments.instructions).read_text("utf-8")).items():
        if arguments.scenes and name not in arguments.scenes:
            continue
        predictions = segmenter.segment(folder / name, instructions, mode=arguments.mode)
        for instruction, prediction in zip(instructions, predictions, strict=True):
            scores = ", ".join(f"{score:.2f}" for score in prediction.instances.scores)
            print(f"{name}: {instruction!r} -> {list(prediction.phrases)} {prediction.status} [{scores}]")
        images = [prediction.overlay() for prediction in predictions]
        in_a_row(images).save(arguments.out / name)
        every += images
    sheet(every).save(arguments.out / "sheet.jpg", quality=85)
    print(f"images in {arguments.out}")


if __name__ == "__main__":
    main()
