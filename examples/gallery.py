"""Ask the shipped default all instructions about the shipped scenes: `python examples/gallery.py --out DIR`.

Writes one picture per scene, with a column per instruction, and prints what came out.
"""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path

from PIL import Image

import instructsam
from instructsam.visualization.palette import PAPER


def strip(pictures: list[Image.Image], width: int = 380) -> Image.Image:
    """Pictures side by side, each this wide, on the dark paper of their captions."""
    scaled = [picture.resize((width, picture.height * width // picture.width)) for picture in pictures]
    sheet = Image.new("RGB", (width * len(scaled), max(picture.height for picture in scaled)), PAPER)
    for number, picture in enumerate(scaled):
        sheet.paste(picture, (number * width, 0))
    return sheet


def main() -> None:
    """Answer every shipped instruction and save the sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/gallery"))
    parser.add_argument("--model", default=None, help="folder or hub id; the shipped default if left out")
    parser.add_argument("--mode", default="auto", choices=("auto", "generate", "direct"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    folder = Path(str(files("instructsam") / "assets" / "examples"))
    segmenter = instructsam.load(arguments.model)
    for name, instructions in json.loads((folder / "instructions.json").read_text("utf-8")).items():
        predictions = segmenter.segment(folder / name, instructions, mode=arguments.mode)
        for instruction, prediction in zip(instructions, predictions, strict=True):
            scores = ", ".join(f"{score:.2f}" for score in prediction.instances.scores)
            print(f"{name}: {instruction!r} -> {list(prediction.phrases)} {prediction.status} [{scores}]")
        strip([prediction.overlay() for prediction in predictions]).save(arguments.out / name)
    print(f"pictures in {arguments.out}")


if __name__ == "__main__":
    main()
