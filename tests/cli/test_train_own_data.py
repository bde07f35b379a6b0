"""`instructsam train` on one's own files: COCO masks, YOLO boxes and a table in one run, stopped and resumed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.cli.main import run
from instructsam.training.checkpointing import latest_step

CONFIG = """
device: cpu
precision: float32
model: {preset: tiny, vocab_size: 400, tokenizer_texts: 300}
data: {images_per_batch: 2, instructions_per_image: 4, negatives_per_positive: 1.0}
optim: {warmup_steps: 1}
schedule: {total_steps: 4, log_seconds: 0, export_dtype: float32}
"""
SIDE = 64
NAMES = ("mug", "key", "pen")


def photo(number: int) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """A picture with one or two bright boxes (x, y, width, height); their places name their categories."""
    pixels = np.full((SIDE, SIDE, 3), 40, np.uint8)
    boxes = [(4, 4 + number, 20, 16), (36, 30, 16, 24)][: 1 + number % 2]
    for x, y, width, height in boxes:
        pixels[y : y + height, x : x + width] = 200
    return Image.fromarray(pixels), boxes


def coco(folder: Path) -> Path:
    (folder / "images").mkdir(parents=True)
    value: dict[str, list[Any]] = {"images": [], "annotations": []}
    value["categories"] = [{"id": number, "name": name} for number, name in enumerate(NAMES)]
    for number in range(4):
        image, boxes = photo(number)
        image.save(folder / f"images/{number}.jpg")
        value["images"].append({"id": number, "file_name": f"{number}.jpg", "height": SIDE, "width": SIDE})
        for kind, (x, y, width, height) in enumerate(boxes):
            corners = [x, y, x + width, y, x + width, y + height, x, y + height]
            found = {
                "image_id": number,
                "category_id": kind,
                "segmentation": [corners],
                "instruction": "the bright",
            }
            value["annotations"].append({"id": len(value["annotations"]), **found})
    (folder / "instances.json").write_text(json.dumps(value))
    return folder


def yolo(folder: Path) -> Path:
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    (folder / "data.yaml").write_text(f"train: images\nnames: [{', '.join(NAMES)}]\n")
    for number in range(4):
        image, boxes = photo(number)
        image.save(folder / f"images/{number}.png")
        rows = [f"{kind} {x + w / 2} {y + h / 2} {w} {h}" for kind, (x, y, w, h) in enumerate(boxes)]
        scaled = [
            " ".join([row.split()[0], *(str(float(v) / SIDE) for v in row.split()[1:])]) for row in rows
        ]
        (folder / f"labels/{number}.txt").write_text("\n".join(scaled))
    return folder


def table(folder: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    folder.mkdir()
    rows: dict[str, list[Any]] = {"image": [], "instruction": [], "bbox": []}
    for number in range(3):
        image, boxes = photo(number)
        stream = io.BytesIO()
        image.save(stream, "png")
        rows["image"].append(stream.getvalue())
        rows["instruction"].append("the upper one")
        rows["bbox"].append([float(value) for value in boxes[0]])
    datasets.disable_progress_bars()
    datasets.Dataset.from_dict(rows).to_parquet(str(folder / "rows.parquet"))
    return folder / "rows.parquet"


def log(folder: Path) -> list[Any]:
    return [json.loads(line)["parts"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_three_formats_are_trained_on_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "run.yaml").write_text(CONFIG)
    sources = [coco(tmp_path / "shop"), yolo(tmp_path / "yard"), table(tmp_path / "table")]
    named = ", ".join(f"{source}: 1" for source in sources)
    train = ["train", str(tmp_path / "run.yaml"), f"data.source={{{named}}}", "data.mixture=repeats"]
    whole, sliced = ([*train, f"output_dir={tmp_path / name}"] for name in ("whole", "sliced"))
    assert run(whole) == 0
    assert run([*sliced, "--max-minutes", "1e-9"]) == 0
    assert latest_step(tmp_path / "sliced/checkpoints") == 1
    assert run([*sliced, "--resume"]) == 0
    assert log(tmp_path / "sliced") == log(tmp_path / "whole")
