"""Choosing what is in a scene and where it lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from instructsam.world.drawings.registry import DRAWINGS, draw_kind
from instructsam.world.render import object_tile, scene_size
from instructsam.world.scene import (
    COLORS,
    FAMILIES,
    FAMILY_OF,
    KINDS,
    SIZES,
    Background,
    Scene,
    SceneObject,
    SceneSettings,
)

SCALES: dict[str, tuple[float, float]] = {
    "small": (0.14, 0.17),
    "medium": (0.21, 0.25),
    "large": (0.31, 0.38),
}
REPEAT_KIND, REPEAT_FAMILY, REPEAT_COLOR = 0.42, 0.15, 0.38
ROW_SHARE, OVERLAP_SHARE = 0.2, 0.3
# Above the promised 0.35: silhouettes are compared on a coarse grid here.
KEPT_VISIBLE = 0.45
GRID = 128
TRIES = 24
TOP_UPS = 40
MARGIN = 0.012

Box = tuple[float, float, float, float]
Mask = NDArray[np.bool_]


@dataclass
class _Table:
    """What has been put down so far. Lengths in fractions of the shorter side."""

    height: float
    width: float
    things: list[SceneObject] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    silhouettes: list[Mask] = field(default_factory=list)

    def box_of(self, thing: SceneObject) -> Box:
        x1, y1, x2, y2 = draw_kind(thing.kind, COLORS[thing.color], thing.seed).box_xyxy(
            int(thing.tilt), thing.mirrored
        )
        half_x, half_y = (x2 - x1) / 2 * thing.scale, (y2 - y1) / 2 * thing.scale
        x, y = thing.center[0] * self.width, thing.center[1] * self.height
        return x - half_x, y - half_y, x + half_x, y + half_y

    def fits(self, box: Box) -> bool:
        return (
            box[0] >= MARGIN
            and box[1] >= MARGIN
            and box[2] <= self.width - MARGIN
            and box[3] <= self.height - MARGIN
        )

    def touches(self, box: Box, gap: float) -> bool:
        return any(
            box[0] < other[2] + gap
            and other[0] < box[2] + gap
            and box[1] < other[3] + gap
            and other[1] < box[3] + gap
            for other in self.boxes
        )

    def silhouette(self, thing: SceneObject) -> Mask:
        height, width = int(self.height * GRID + 0.5), int(self.width * GRID + 0.5)
        tile = object_tile(thing, height, width, supersample=1)
        alpha = np.asarray(tile.image.getchannel("A")) > 127
        mask = np.zeros((height, width), dtype=bool)
        y1, x1 = max(tile.top, 0), max(tile.left, 0)
        y2, x2 = min(tile.top + alpha.shape[0], height), min(tile.left + alpha.shape[1], width)
        mask[y1:y2, x1:x2] = alpha[y1 - tile.top : y2 - tile.top, x1 - tile.left : x2 - tile.left]
        return mask

    def leaves_all_visible(self, mask: Mask) -> bool:
        covered = mask.copy()
        for earlier in reversed(self.silhouettes):
            if np.count_nonzero(earlier & ~covered) < KEPT_VISIBLE * np.count_nonzero(earlier):
                return False
            covered |= earlier
        return True

    def put(self, thing: SceneObject, box: Box, mask: Mask) -> None:
        self.things.append(thing)
        self.boxes.append(box)
        self.silhouettes.append(mask)


def _choose_kind(rng: Random, things: list[SceneObject]) -> str:
    draw = rng.random()
    if things and draw < REPEAT_KIND:
        return rng.choice(things).kind
    if things and draw < REPEAT_KIND + REPEAT_FAMILY:
        return rng.choice(FAMILIES[FAMILY_OF[rng.choice(things).kind]])
    return rng.choice(KINDS)


def _choose_thing(rng: Random, things: list[SceneObject]) -> SceneObject:
    kind = _choose_kind(rng, things)
    color = rng.choice(things).color if things and rng.random() < REPEAT_COLOR else rng.choice(tuple(COLORS))
    size = rng.choice(SIZES)
    limit = DRAWINGS[kind].max_tilt
    return SceneObject(
        kind=kind,
        color=color,
        size=size,
        center=(0.5, 0.5),
        scale=round(rng.uniform(*SCALES[size]), 4),
        tilt=float(rng.randint(-limit, limit)),
        mirrored=rng.random() < 0.5,
        seed=rng.getrandbits(31),
    )


def _propose_center(
    rng: Random, table: _Table, box: Box, slot: float | None, lean: Box | None
) -> tuple[float, float]:
    """A place for a thing with a box like `box`: in a row at `slot`, against the box `lean`, or anywhere."""
    half_x, half_y = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    if lean is not None:
        x = (lean[0] + lean[2]) / 2 + rng.choice((-1, 1)) * rng.uniform(0.3, 0.9) * (
            half_x + (lean[2] - lean[0]) / 2
        )
        y = (lean[1] + lean[3]) / 2 + rng.uniform(-0.7, 0.7) * (half_y + (lean[3] - lean[1]) / 2)
    else:
        x = rng.uniform(half_x + MARGIN, table.width - half_x - MARGIN)
        y = rng.uniform(half_y + MARGIN, table.height - half_y - MARGIN)
        if slot is not None:
            x = slot * table.width + rng.uniform(-0.03, 0.03)
            y = table.height * 0.55 + rng.uniform(-0.1, 0.1)
    return round(x / table.width, 4), round(y / table.height, 4)


def _place(rng: Random, table: _Table, thing: SceneObject, slot: float | None) -> bool:
    """Puts `thing` down where it hides nothing too much; False if no place was found."""
    middle = table.box_of(thing)
    overlap = bool(table.boxes) and slot is None and rng.random() < OVERLAP_SHARE
    for attempt in range(TRIES):
        lean = rng.choice(table.boxes) if overlap and attempt < TRIES // 2 else None
        center = _propose_center(rng, table, middle, slot if attempt < TRIES // 3 else None, lean)
        candidate = replace(thing, center=center)
        box = table.box_of(candidate)
        last_third = attempt >= TRIES * 2 // 3
        if not table.fits(box) or (table.touches(box, -0.03 if last_third else 0.01) and lean is None):
            continue
        mask = table.silhouette(candidate)
        if table.leaves_all_visible(mask):
            table.put(candidate, box, mask)
            return True
    return False


def sample_scene(seed: int, settings: SceneSettings | None = None) -> Scene:
    """A scene as a pure function of its arguments.

    Every object lies wholly inside the picture and stays at least 35 % visible. When the table is full the
    scene has fewer objects than were drawn for it, but never fewer than `settings.min_objects`.
    """
    settings = settings or SceneSettings()
    rng = Random(seed)
    aspect = rng.choice(settings.aspects)
    height, width = scene_size(aspect, GRID)
    background = Background(rng.choice(settings.backgrounds), rng.getrandbits(31))
    count = rng.randint(settings.min_objects, settings.max_objects)
    while True:
        table = _Table(height / GRID, width / GRID)
        in_row = 2 <= count <= 6 and rng.random() < ROW_SHARE
        slots = [(index + 0.5) / count for index in range(count)]
        rng.shuffle(slots)
        for index in range(count):
            thing = _choose_thing(rng, table.things)
            _place(rng, table, thing, slots[index] if in_row else None)
        for _ in range(TOP_UPS):
            if len(table.things) < settings.min_objects:
                _place(rng, table, _choose_thing(rng, table.things), None)
        if len(table.things) >= settings.min_objects:
            return Scene(seed, background, tuple(table.things), aspect)
