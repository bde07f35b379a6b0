"""One picture, one instruction, every way to use the answer: `python examples/quickstart.py [--out DIR]`."""

from __future__ import annotations

import argparse
import json
from importlib.resources import files
from pathlib import Path

import instructsam


def main() -> None:
    """Segment the shipped breakfast scene, print the instances and save picture and COCO annotations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    picture = str(files("instructsam") / "assets" / "examples" / "breakfast.png")
    segmenter = instructsam.load()
    prediction = segmenter.segment(picture, "the mugs that are not blue")
    print(prediction.status, prediction.phrases)
    for box, score in zip(prediction.instances.boxes_xyxy, prediction.instances.scores, strict=True):
        print(f"score {score:.2f}, box {box.round().tolist()}")
    prediction.save(out / "quickstart.png")
    (out / "quickstart.json").write_text(json.dumps(prediction.to_coco(), indent=2) + "\n", encoding="utf-8")
    print(f"picture and COCO annotations in {out}")


if __name__ == "__main__":
    main()
