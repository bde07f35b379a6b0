"""Choosing what is in a scene and where it lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from numpy.typing import NDArray

from instructsam.world.scenes.backgrounds import BOARD
from instructsam.world.scenes.drawings.registry import DRAWINGS, draw_kind
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS
from instructsam.world.scenes.render import object_tile, scene_size
from instructsam.world.scenes.scene import (
    COLORS,
    FAMILIES,
    FAMILY_OF,
    KINDS,
    PILES,
    Background,
    Scene,
    SceneObject,
    SceneSettings,
)

SCALES: dict[str, tuple[float, float]] = {
    "small": (0.16, 0.19),
    "medium": (0.235, 0.275),
    "large": (0.335, 0.41),
}
# Chances that a thing takes after one that lies there already: without them nothing is there to tell apart.
REPEAT_KIND, REPEAT_FAMILY, REPEAT_COLOR, REPEAT_PATTERN = 0.42, 0.15, 0.38, 0.3
PATTERN_SHARES = {"plain": 0.5, "striped": 0.25, "dotted": 0.25}
LAYOUT_SHARES = {"scattered": 0.42, "row": 0.16, "groups": 0.18, "shelves": 0.24, PILES: 1.0}
OVERLAP_SHARE = 0.3
PILE_SHARE = 0.7  # of the things of a pile that lie on an earlier one and have its colour
ROW_LONGEST, SHELVES_LEAST = 7, 3
OUTDOORS = ("meadow",)
CROWDED = 10  # from more things than this on, most are small
# Above the promised 0.35: silhouettes are compared on a coarse grid here.
KEPT_VISIBLE = 0.45
GRID = 128
TRIES = 24
TOP_UPS = 60
MARGIN = 0.012
GROUP_REACH = 0.17
SHELVES = {2: (0.47, 0.93), 3: (0.325, 0.64, 0.955)}

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
    tried: int = 0

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

    def put(self, thing: SceneObject, box: Box) -> None:
        self.things.append(thing)
        self.boxes.append(box)


@dataclass(frozen=True)
class _Spot:
    """Where a layout wants a thing: `x`, `y` of its middle and how far it may stray."""

    x: float = 0.5
    y: float = 0.5
    reach: tuple[float, float] = (0.0, 0.0)


class _Chooser:
    """What the things of one scene are."""

    def __init__(self, rng: Random, settings: SceneSettings, sizes: dict[str, float]) -> None:
        self.rng = rng
        self.held_out = settings.pairs == "held_out"
        self.sizes = sizes

    def thing(self, things: list[SceneObject], under: SceneObject | None = None) -> SceneObject:
        """One more thing, at no place yet; of the colour of `under`, if it is to lie on that."""
        rng = self.rng
        if self.held_out and not any((one.kind, one.color) in HELD_OUT_PAIRS for one in things):
            kind, color = rng.choice(sorted(HELD_OUT_PAIRS))
        else:
            kind = self._kind(things)
            color = self._color(things, kind)
        if under is not None and (kind, under.color) not in HELD_OUT_PAIRS:
            color = under.color
        size = rng.choices(tuple(self.sizes), tuple(self.sizes.values()))[0]
        pattern = rng.choices(tuple(PATTERN_SHARES), tuple(PATTERN_SHARES.values()))[0]
        if things and rng.random() < REPEAT_PATTERN:
            pattern = rng.choice(things).pattern
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
            pattern=pattern,
        )

    def _kind(self, things: list[SceneObject]) -> str:
        draw = self.rng.random()
        if things and draw < REPEAT_KIND:
            return self.rng.choice(things).kind
        if things and draw < REPEAT_KIND + REPEAT_FAMILY:
            return self.rng.choice(FAMILIES[FAMILY_OF[self.rng.choice(things).kind]])
        return self.rng.choice(KINDS)

    def _color(self, things: list[SceneObject], kind: str) -> str:
        rng = self.rng
        color = rng.choice(things).color if things and rng.random() < REPEAT_COLOR else ""
        while not color or (not self.held_out and (kind, color) in HELD_OUT_PAIRS):
            color = rng.choice(tuple(COLORS))
        return color


def _propose_center(
    rng: Random, table: _Table, box: Box, spot: _Spot | None, lean: Box | None
) -> tuple[float, float]:
    """A place for a thing with a box like `box`: at `spot`, against the box `lean`, or anywhere."""
    half_x, half_y = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    if lean is not None:
        x = (lean[0] + lean[2]) / 2 + rng.choice((-1, 1)) * rng.uniform(0.3, 0.9) * (
            half_x + (lean[2] - lean[0]) / 2
        )
        y = (lean[1] + lean[3]) / 2 + rng.uniform(-0.7, 0.7) * (half_y + (lean[3] - lean[1]) / 2)
    elif spot is not None:
        x = spot.x * table.width + rng.uniform(-1, 1) * spot.reach[0]
        y = spot.y * table.height + rng.uniform(-1, 1) * spot.reach[1]
    else:
        x = rng.uniform(half_x + MARGIN, table.width - half_x - MARGIN)
        y = rng.uniform(half_y + MARGIN, table.height - half_y - MARGIN)
    return round(x / table.width, 4), round(y / table.height, 4)


def _place(
    rng: Random, table: _Table, thing: SceneObject, spot: _Spot | None, under: SceneObject | None = None
) -> bool:
    """Puts `thing` down where it hides nothing too much, on `under` if it can; False if no place was found."""
    middle = table.box_of(thing)
    against = table.boxes if under is None else [table.box_of(under)]
    overlap = under is not None or (bool(table.boxes) and spot is None and rng.random() < OVERLAP_SHARE)
    for attempt in range(TRIES):
        lean = rng.choice(against) if overlap and attempt < TRIES // 2 else None
        center = _propose_center(rng, table, middle, spot if attempt < TRIES * 2 // 3 else None, lean)
        candidate = replace(thing, center=center)
        box = table.box_of(candidate)
        last_third = attempt >= TRIES * 2 // 3
        if not table.fits(box) or (table.touches(box, -0.03 if last_third else 0.01) and lean is None):
            continue
        mask = table.silhouette(candidate)
        if table.leaves_all_visible(mask):
            table.put(candidate, box)
            table.silhouettes.append(mask)
            return True
    return False


def _under(rng: Random, table: _Table) -> SceneObject | None:
    """What the next thing of a pile lies on, None to begin another pile."""
    return rng.choice(table.things) if table.things and rng.random() < PILE_SHARE else None


def _stand(rng: Random, table: _Table, thing: SceneObject, shelves: tuple[float, ...]) -> bool:
    """Puts `thing` on one of the boards, upright, beside what stands there; False if there is no room."""
    limit = min(DRAWINGS[thing.kind].max_tilt, 4)
    thing = replace(thing, tilt=float(rng.randint(-limit, limit)))
    x1, y1, x2, y2 = table.box_of(thing)
    half_x, half_y = (x2 - x1) / 2, (y2 - y1) / 2
    for _ in range(TRIES):
        shelf = rng.randrange(len(shelves))
        board = shelves[shelf] * table.height
        ceiling = shelves[shelf - 1] * table.height + BOARD if shelf else 0.0
        x = rng.uniform(half_x + MARGIN, max(half_x + MARGIN, table.width - half_x - MARGIN))
        center = (round(x / table.width, 4), round((board - half_y) / table.height, 4))
        candidate = replace(thing, center=center, shelf=shelf + 1)
        box = table.box_of(candidate)
        if box[1] < ceiling + MARGIN or not table.fits(box) or table.touches(box, 0.005):
            continue
        table.put(candidate, box)  # things on a shelf hide nothing: no silhouette is needed
        return True
    return False


def _spots(rng: Random, layout: str, count: int) -> list[_Spot | None]:
    """Where a layout wants its things, in painter's order."""
    spots: list[_Spot | None] = [None] * count
    if layout == "row":
        spots = [_Spot((index + 0.5) / count, 0.55, (0.03, 0.1)) for index in range(count)]
        rng.shuffle(spots)
    elif layout == "groups":
        across = rng.random() < 0.5
        places = [(0.25, 0.75), (0.2, 0.5, 0.8)][count > 5 and rng.random() < 0.5]
        middles = [(x, rng.uniform(0.3, 0.7)) if across else (rng.uniform(0.3, 0.7), x) for x in places]
        for index in range(count):
            x, y = rng.choice(middles)
            spots[index] = _Spot(x, y, (GROUP_REACH, GROUP_REACH))
    return spots


def _shelves(rng: Random, layout: str, count: int) -> tuple[float, ...]:
    if layout != "shelves":
        return ()
    drawn = SHELVES[3 if count > 5 or rng.random() < 0.5 else 2]
    return tuple(round(edge + rng.uniform(-0.015, 0.015), 4) for edge in drawn)


def _size_shares(count: int, shelves: tuple[float, ...], height: float) -> dict[str, float]:
    """How often each size is chosen: high things need high shelves, crowds need small things."""
    if shelves:
        high = height * (shelves[1] - shelves[0])
        return {"small": 1.0, "medium": 1.0, "large": 1.0 if high > SCALES["large"][0] + BOARD else 0.15}
    if count > CROWDED:
        return {"small": 1.0, "medium": 0.7, "large": 0.25}
    return {"small": 1.0, "medium": 1.0, "large": 1.0}


def sample_scene(seed: int, settings: SceneSettings | None = None) -> Scene:
    """A scene as a pure function of its arguments.

    Every object lies wholly inside the picture and stays at least 35 % visible. When the table is full the
    scene has fewer objects than were drawn for it, but never fewer than `settings.min_objects`.
    """
    settings = settings or SceneSettings()
    rng = Random(seed)
    aspect = rng.choice(settings.aspects)
    height, width = scene_size(aspect, GRID)
    style, background_seed = rng.choice(settings.backgrounds), rng.getrandbits(31)
    count = rng.randint(settings.min_objects, settings.max_objects)
    shares = [LAYOUT_SHARES[layout] for layout in settings.layouts]
    while True:
        table = _Table(height / GRID, width / GRID)
        layout = rng.choices(settings.layouts, shares)[0]
        if (layout == "row" and count > ROW_LONGEST) or (
            layout == "shelves" and (count < SHELVES_LEAST or style in OUTDOORS)
        ):
            layout = "scattered"
        shelves = _shelves(rng, layout, count)
        chooser = _Chooser(rng, settings, _size_shares(count, shelves, table.height))
        for spot in [*_spots(rng, layout, count), *[None] * TOP_UPS]:
            if len(table.things) >= count or (
                spot is None and len(table.things) >= settings.min_objects and table.tried >= count
            ):
                break
            table.tried += 1
            under = _under(rng, table) if layout == PILES else None
            thing = chooser.thing(table.things, under)
            if shelves:
                _stand(rng, table, thing, shelves)
            else:
                _place(rng, table, thing, spot, under)
        if len(table.things) >= settings.min_objects:
            background = Background(style, background_seed)
            return Scene(seed, background, tuple(table.things), aspect, layout, shelves)
