"""Draw the example scenes that the package ships, with four instructions each: `python examples/make_scenes.py`.

The scenes are laid out by hand, not sampled; the model never trained on them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image

from instructsam.world.render import render_scene
from instructsam.world.scene import Background, Scene, SceneObject

ASSETS = Path(__file__).resolve().parent.parent / "src" / "instructsam" / "assets" / "examples"
Row = tuple[str, str, str, float, float]  # size, colour, kind, x, y


def scene(style: str, seed: int, rows: list[Row]) -> Scene:
    """Objects at given places, each with its own proportions and a little tilt."""
    objects = tuple(
        SceneObject(
            kind=kind,
            color=color,
            size=size,
            center=(x, y),
            scale=0.19 if size == "small" else 0.33,
            tilt=float((seed * 7 + i * 5) % 11 - 5),
            mirrored=(seed + i) % 2 == 0,
            seed=seed * 100 + i,
        )
        for i, (size, color, kind, x, y) in enumerate(rows)
    )
    return Scene(seed=seed, background=Background(style, seed), objects=objects)


SCENES: dict[str, tuple[Scene, list[str]]] = {
    "breakfast": (
        scene(
            "cloth",
            3,
            [
                ("large", "red", "mug", 0.22, 0.25),
                ("large", "blue", "mug", 0.72, 0.22),
                ("small", "red", "mug", 0.48, 0.47),
                ("large", "yellow", "banana", 0.25, 0.76),
                ("small", "green", "apple", 0.55, 0.80),
                ("large", "orange", "glass", 0.82, 0.68),
            ],
        ),
        ["the mugs that are not blue", "fruit", "the small red mug", "everything left of the orange glass"],
    ),
    "toy_shelf": (
        scene(
            "rug",
            5,
            [
                ("large", "brown", "teddy bear", 0.22, 0.70),
                ("large", "pink", "teddy bear", 0.56, 0.72),
                ("small", "blue", "ball", 0.84, 0.82),
                ("large", "purple", "kite", 0.24, 0.24),
                ("small", "red", "car", 0.58, 0.34),
                ("small", "green", "ball", 0.84, 0.45),
            ],
        ),
        [
            "both balls",
            "the leftmost teddy bear",
            "toys except the kite",
            "the green toy, and separately the car",
        ],
    ),
    "harbour": (
        scene(
            "tiles",
            8,
            [
                ("large", "blue", "sailboat", 0.22, 0.30),
                ("small", "red", "sailboat", 0.55, 0.22),
                ("large", "orange", "sailboat", 0.80, 0.42),
                ("small", "pink", "fish", 0.30, 0.80),
                ("large", "green", "fish", 0.62, 0.78),
                ("small", "yellow", "bird", 0.50, 0.48),
            ],
        ),
        [
            "the biggest fish",
            "sailboats to the right of the bird",
            "red or yellow things",
            "a purple sailboat",
        ],
    ),
    "workbench": (
        scene(
            "wood",
            11,
            [
                ("large", "red", "hammer", 0.24, 0.28),
                ("large", "blue", "saw", 0.68, 0.26),
                ("small", "yellow", "key", 0.46, 0.55),
                ("small", "purple", "key", 0.20, 0.72),
                ("large", "green", "bottle", 0.80, 0.70),
                ("small", "orange", "key", 0.52, 0.84),
            ],
        ),
        ["all the keys", "the second key from the left", "tools in the top half", "the bottle, then the saw"],
    ),
    "traffic": (
        scene(
            "speckle",
            13,
            [
                ("large", "yellow", "bus", 0.24, 0.26),
                ("small", "red", "car", 0.62, 0.20),
                ("small", "blue", "car", 0.86, 0.34),
                ("large", "red", "car", 0.26, 0.66),
                ("large", "green", "bus", 0.70, 0.62),
                ("small", "brown", "snail", 0.52, 0.90),
            ],
        ),
        ["the small cars", "red vehicles", "the animal", "buses above the snail"],
    ),
    "meadow": (
        scene(
            "meadow",
            17,
            [
                ("large", "purple", "snail", 0.24, 0.76),
                ("small", "orange", "snail", 0.54, 0.86),
                ("large", "red", "kite", 0.70, 0.24),
                ("small", "blue", "bird", 0.30, 0.22),
                ("small", "brown", "bird", 0.48, 0.46),
                ("large", "green", "pear", 0.82, 0.68),
            ],
        ),
        ["the birds", "animals that are not birds", "the topmost bird", "the lorry"],
    ),
}


def main() -> None:
    """Write every scene as PNG and the instructions as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ASSETS)
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, (drawn, _) in SCENES.items():
        Image.fromarray(render_scene(drawn, 400).image).save(folder / f"{name}.png", optimize=True)
    instructions = {f"{name}.png": texts for name, (_, texts) in SCENES.items()}
    (folder / "instructions.json").write_text(json.dumps(instructions, indent=2) + "\n", encoding="utf-8")
    print(f"{len(SCENES)} scenes in {folder}")


if __name__ == "__main__":
    main()
