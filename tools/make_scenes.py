"""Draw the example scenes that the package ships, with four instructions each: `python tools/make_scenes.py`.

The scenes are laid out by hand, not sampled; no model is trained on them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image

from instructsam.world.scenes.drawings.registry import DRAWINGS, draw_kind
from instructsam.world.scenes.render import render_scene
from instructsam.world.scenes.scene import COLORS, Background, Scene, SceneObject

ASSETS = Path(__file__).resolve().parent.parent / "src" / "instructsam" / "assets" / "examples"
SHORT_SIDE = 256
SCALES = {"small": 0.175, "medium": 0.255, "large": 0.37}
# Position of an object: its centre (x, y); on a shelf only x counts, since the object stands on the board.
Row = tuple[str, str, float, float]  # "size pattern colour", kind, x, y


def lying(background: Background, seed: int, rows: list[Row]) -> Scene:
    """Objects at given positions, the first at the back, each with its own proportions and a small tilt."""
    objects = tuple(_thing(seed, index, row) for index, row in enumerate(rows))
    return Scene(seed=seed, background=background, objects=objects)


def shelved(background: Background, seed: int, boards: dict[float, list[Row]]) -> Scene:
    """Objects that stand on boards, whose upper edges (fractions of the height) are the keys.

    The y of a row is ignored: it follows from the board.
    """
    objects: list[SceneObject] = []
    for shelf, (edge, rows) in enumerate(boards.items(), 1):
        for row in rows:
            look, kind, x, _ = row
            draft = _thing(seed, len(objects), row)
            picture = draw_kind(kind, COLORS[draft.color], draft.seed)
            _, top, _, bottom = picture.box_xyxy(0, draft.mirrored)
            y = edge - (bottom - top) / 2 * draft.scale
            objects.append(_thing(seed, len(objects), (look, kind, x, y), shelf))
    return Scene(seed, background, tuple(objects), layout="shelves", shelves=tuple(boards))


def _thing(seed: int, index: int, row: Row, shelf: int = 0) -> SceneObject:
    look, kind, x, y = row
    size, pattern, color = look.split()
    limit = DRAWINGS[kind].max_tilt // 3
    return SceneObject(
        kind=kind,
        color=color,
        size=size,
        center=(x, y),
        scale=SCALES[size],
        tilt=0.0 if shelf else float(max(-limit, min(limit, (seed * 7 + index * 5) % 11 - 5))),
        mirrored=(seed + index) % 2 == 0,
        seed=seed * 100 + index,
        pattern=pattern,
        shelf=shelf,
    )


SCENES: dict[str, tuple[Scene, list[str]]] = {
    "breakfast": (
        lying(
            Background("cloth", 3),
            3,
            [
                ("large plain red", "mug", 0.22, 0.22),
                ("large striped blue", "mug", 0.76, 0.21),
                ("small plain red", "mug", 0.49, 0.42),
                ("large dotted pink", "teapot", 0.77, 0.62),
                ("medium plain yellow", "banana", 0.20, 0.55),
                ("medium dotted red", "strawberry", 0.44, 0.72),
                ("small plain green", "apple", 0.18, 0.84),
                ("medium striped blue", "spoon", 0.70, 0.89),
            ],
        ),
        [
            "the mugs that are not blue",
            "all three pieces of fruit",
            "what could I eat soup with?",
            "the small red mug, and separately the teapot",
        ],
    ),
    "harbour": (
        lying(
            Background("tiles", 11),
            8,
            [
                ("large striped red", "sailboat", 0.22, 0.25),
                ("medium plain blue", "sailboat", 0.60, 0.19),
                ("small dotted orange", "sailboat", 0.87, 0.30),
                ("small plain yellow", "bird", 0.50, 0.43),
                ("large dotted pink", "fish", 0.70, 0.58),
                ("small plain green", "fish", 0.27, 0.60),
                ("medium striped blue", "fish", 0.34, 0.84),
                ("small plain purple", "fish", 0.80, 0.87),
            ],
        ),
        [
            "the biggest fish",
            "sailboats to the right of the bird",
            "what can fly?",
            "a purple sailboat",
        ],
    ),
    "meadow": (
        lying(
            Background("meadow", 17),
            17,
            [
                ("large plain green", "tree", 0.21, 0.40),
                ("medium dotted red", "kite", 0.52, 0.20),
                ("small plain blue", "bird", 0.80, 0.18),
                ("medium striped pink", "flower", 0.88, 0.58),
                ("small plain red", "flower", 0.68, 0.45),
                ("large striped orange", "cat", 0.56, 0.74),
                ("medium plain purple", "snail", 0.19, 0.82),
                ("small dotted yellow", "flower", 0.85, 0.86),
            ],
        ),
        [
            "the flowers",
            "animals that are not birds",
            "what flies on a string?",
            "the umbrella",
        ],
    ),
    "toy_shelf": (
        shelved(
            Background("plain", 11),
            5,
            {
                0.32: [
                    ("medium plain brown", "teddy bear", 0.18, 0),
                    ("small striped green", "ball", 0.44, 0),
                    ("medium dotted blue", "airplane", 0.76, 0),
                ],
                0.635: [
                    ("medium plain red", "bus", 0.20, 0),
                    ("medium dotted pink", "teddy bear", 0.54, 0),
                    ("small plain orange", "ball", 0.83, 0),
                ],
                0.95: [
                    ("medium striped purple", "kite", 0.17, 0),
                    ("small plain yellow", "car", 0.45, 0),
                    ("medium striped yellow", "teddy bear", 0.78, 0),
                ],
            },
        ),
        [
            "everything on the top shelf",
            "the leftmost teddy bear",
            "the ball that is not striped",
            "the vehicles, then the kite",
        ],
    ),
    "traffic": (
        lying(
            Background("speckle", 14),
            13,
            [
                ("large plain red", "bus", 0.23, 0.22),
                ("medium striped blue", "airplane", 0.74, 0.17),
                ("large dotted yellow", "car", 0.57, 0.43),
                ("small plain red", "car", 0.88, 0.42),
                ("large plain green", "bus", 0.24, 0.66),
                ("medium plain blue", "car", 0.82, 0.72),
                ("small dotted red", "umbrella", 0.55, 0.68),
                ("small plain brown", "snail", 0.52, 0.89),
            ],
        ),
        [
            "red vehicles",
            "the animal",
            "cars smaller than the yellow one",
            "buses or airplanes",
        ],
    ),
    "village": (
        lying(
            Background("meadow", 23),
            23,
            [
                ("large plain purple", "castle", 0.71, 0.31),
                ("large plain red", "house", 0.23, 0.40),
                ("small plain yellow", "house", 0.50, 0.60),
                ("medium plain green", "tree", 0.86, 0.63),
                ("medium striped orange", "tent", 0.68, 0.84),
                ("small plain green", "tree", 0.31, 0.72),
                ("small plain brown", "cat", 0.13, 0.85),
                ("small dotted blue", "car", 0.42, 0.88),
            ],
        ),
        [
            "both trees",
            "what could I sleep in at the campsite?",
            "the house nearest to the castle",
            "the airplane",
        ],
    ),
    "wardrobe": (
        shelved(
            Background("rug", 29),
            29,
            {
                0.46: [
                    ("large striped blue", "shirt", 0.21, 0),
                    ("large dotted pink", "shirt", 0.605, 0),
                    ("small plain yellow", "hat", 0.89, 0),
                ],
                0.93: [
                    ("large plain purple", "bag", 0.205, 0),
                    ("small striped green", "sock", 0.465, 0),
                    ("small striped orange", "sock", 0.615, 0),
                    ("medium plain red", "shoe", 0.835, 0),
                ],
            },
        ),
        [
            "the shirts",
            "what can I wear on my feet?",
            "the striped things on the bottom shelf",
            "what can I carry my shopping in?",
        ],
    ),
    "workbench": (
        lying(
            Background("wood", 11),
            11,
            [
                ("large plain red", "hammer", 0.23, 0.24),
                ("large striped purple", "lamp", 0.78, 0.24),
                ("small plain yellow", "key", 0.50, 0.45),
                ("large plain blue", "saw", 0.28, 0.57),
                ("small plain purple", "key", 0.20, 0.83),
                ("medium dotted pink", "mug", 0.54, 0.81),
                ("medium striped green", "key", 0.82, 0.60),
                ("small plain green", "cactus", 0.86, 0.84),
            ],
        ),
        [
            "all three keys",
            "the second key from the left",
            "it's too dark in here, what could I switch on for light?",
            "the dotted saw",
        ],
    ),
}


def main() -> None:
    """Write every scene as PNG and the instructions as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ASSETS)
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, (drawn, _) in SCENES.items():
        Image.fromarray(render_scene(drawn, SHORT_SIDE).image).save(folder / f"{name}.png", optimize=True)
    instructions = {f"{name}.png": texts for name, (_, texts) in SCENES.items()}
    (folder / "instructions.json").write_text(json.dumps(instructions, indent=2) + "\n", encoding="utf-8")
    print(f"{len(SCENES)} scenes in {folder}")


if __name__ == "__main__":
    main()
