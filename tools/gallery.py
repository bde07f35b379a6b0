"""Segment the shipped scenes with all shipped instructions: `python tools/gallery.py --out DIR`.

Writes one image per scene with a column per instruction, and prints phrases, status and scores.
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


def main() -> None:
    """Segment with every instruction and save one image per scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/gallery"))
    parser.add_argument("--model", default=None, help="folder or hub id; default: the shipped one")
    parser.add_argument("--mode", default="auto", choices=("auto", "generate", "direct"))
    parser.add_argument("--scenes", nargs="*", help="file names; default: all shipped scenes")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    folder = Path(str(files("instructsam") / "assets" / "examples"))
    segmenter = instructsam.load(arguments.model)
    for name, instructions in json.loads((folder / "instructions.json").read_text("utf-8")).items():
        if arguments.scenes and name not in arguments.scenes:
            continue
        predictions = segmenter.segment(folder / name, instructions, mode=arguments.mode)
        for instruction, prediction in zip(instructions, predictions, strict=True):
            scores = ", ".join(f"{score:.2f}" for score in prediction.instances.scores)
            print(f"{name}: {instruction!r} -> {list(prediction.phrases)} {prediction.status} [{scores}]")
        in_a_row([prediction.overlay() for prediction in predictions]).save(arguments.out / name)
    print(f"images in {arguments.out}")


if __name__ == "__main__":
    main()
