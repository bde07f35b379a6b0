"""Write docs/images/layers.png, the packages and their one-way imports: `python tools/draw_layers.py`.

The rows are the layers of the import contract in pyproject.toml, so that the picture cannot differ from the check.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "layers.png"
FONT = ROOT / "src" / "instructsam" / "assets" / "fonts"
PURPOSE = {
    "cli": "one thin file per command",
    "serving": "server, page, labelling tools",
    "experiments": "ablation plans, runs, tables",
    "training": "trainer, objectives, checkpoints",
    "evaluation": "benchmarks, metrics, reports",
    "baselines": "SAM3 alone, SAM3 agent, oracle",
    "inference": "load, Segmenter, folder runs",
    "engine": "images to records",
    "labelling": "folders of images",
    "vlms": "other vision-language models",
    "checkpoints": "a folder or hub id -> model, processor",
    "model": "VLM, detector, variants",
    "losses": "matching, criterion",
    "processing": "images and text -> tensors",
    "world": "drawn scenes and instructions",
    "data": "records, samples, readers",
    "images": "the one image loader",
    "exports": "one file per output format",
    "structures": "masks, boxes, predictions, files",
    "visualization": "overlays, labels, colours",
    "config": "YAML and key=value",
    "errors": "one exception tree",
}
WIDTH, ROW, GAP, MARGIN = 1400, 92, 22, 24
INK, PAPER, LINE = "#1b1f24", "#ffffff", "#8b949e"
FILLS = ("#dbeafe", "#e0f2e9")


def layers() -> list[list[str]]:
    """The rows of the contract that exist as packages or modules, top first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    rows = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    source = ROOT / "src" / "instructsam"
    named = [[name.strip(" ()") for name in row.split("|")] for row in rows]
    present = [
        [name for name in row if (source / name).is_dir() or (source / f"{name}.py").is_file()]
        for row in named
    ]
    return [row for row in present if row and row != ["__main__"]]


def draw() -> Image.Image:
    """A row per layer, an arrow from each row to the one below."""
    rows = layers()
    font_file = next(path for path in sorted(FONT.iterdir()) if path.suffix == ".ttf")
    bold, plain = ImageFont.truetype(str(font_file), 26), ImageFont.truetype(str(font_file), 19)
    image = Image.new("RGB", (WIDTH, 2 * MARGIN + len(rows) * (ROW + GAP) - GAP), PAPER)
    canvas = ImageDraw.Draw(image)
    for index, row in enumerate(rows):
        top = MARGIN + index * (ROW + GAP)
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)
        for column, name in enumerate(row):
            left = MARGIN + column * (width + GAP)
            box = (left, top, left + width, top + ROW)
            canvas.rounded_rectangle(box, radius=10, fill=FILLS[index % 2], outline=LINE, width=2)
            middle = left + width / 2
            canvas.text((middle, top + 30), name, font=bold, fill=INK, anchor="mm")
            canvas.text((middle, top + 64), PURPOSE[name], font=plain, fill=INK, anchor="mm")
        if index:
            middle = WIDTH / 2
            canvas.line((middle, top - GAP, middle, top - 6), fill=INK, width=3)
            canvas.polygon([(middle - 7, top - 9), (middle + 7, top - 9), (middle, top)], fill=INK)
    return image


def words() -> str:
    """The text of the picture as JSON. It is stored in the PNG, so that a test can compare it on any machine."""
    return json.dumps([{name: PURPOSE[name] for name in row} for row in layers()])


if __name__ == "__main__":
    info = PngInfo()
    info.add_text("layers", words())
    draw().save(PICTURE, optimize=True, pnginfo=info)
