"""Finding a place for an object: anywhere, at a spot, on another object, or on a shelf."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from instructsam.world.scenes.arrangement import MARGIN, Arrangement
from instructsam.world.scenes.backgrounds import SHELF_THICKNESS
from instructsam.world.scenes.drawings.geometry import Box
from instructsam.world.scenes.drawings.registry import DRAWINGS
from instructsam.world.scenes.scene import SceneObject

OVERLAP_SHARE = 0.3
PILE_SHARE = 0.7  # of the objects of a pile that lie on an earlier one and have its colour
TRIES = 24


@dataclass(frozen=True)
class Spot:
    """A place that a layout gives an object: `x`, `y` of its centre, and `reach`, its largest offset from there."""

    x: float = 0.5
    y: float = 0.5
    reach: tuple[float, float] = (0.0, 0.0)


def _propose_center(
    rng: Random, arrangement: Arrangement, box: Box, spot: Spot | None, lean: Box | None
) -> tuple[float, float]:
    """A centre for an object with a box like `box`: at `spot`, against the box `lean`, or anywhere."""
    half_x, half_y = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    if lean is not None:
        x = (lean[0] + lean[2]) / 2 + rng.choice((-1, 1)) * rng.uniform(0.3, 0.9) * (
            half_x + (lean[2] - lean[0]) / 2
        )
        y = (lean[1] + lean[3]) / 2 + rng.uniform(-0.7, 0.7) * (half_y + (lean[3] - lean[1]) / 2)
    elif spot is not None:
        x = spot.x * arrangement.width + rng.uniform(-1, 1) * spot.reach[0]
        y = spot.y * arrangement.height + rng.uniform(-1, 1) * spot.reach[1]
    else:
        x = rng.uniform(half_x + MARGIN, arrangement.width - half_x - MARGIN)
        y = rng.uniform(half_y + MARGIN, arrangement.height - half_y - MARGIN)
    return round(x / arrangement.width, 4), round(y / arrangement.height, 4)


def place(
    rng: Random,
    arrangement: Arrangement,
    thing: SceneObject,
    spot: Spot | None,
    under: SceneObject | None = None,
) -> bool:
    """Place the object where all others stay visible, on `under` if possible; False if no place was found."""
    middle = arrangement.box_of(thing)
    against = arrangement.boxes if under is None else [arrangement.box_of(under)]
    overlap = under is not None or (bool(arrangement.boxes) and spot is None and rng.random() < OVERLAP_SHARE)
    for attempt in range(TRIES):
        lean = rng.choice(against) if overlap and attempt < TRIES // 2 else None
        center = _propose_center(rng, arrangement, middle, spot if attempt < TRIES * 2 // 3 else None, lean)
        candidate = replace(thing, center=center)
        box = arrangement.box_of(candidate)
        last_third = attempt >= TRIES * 2 // 3
        if not arrangement.fits(box) or (
            arrangement.touches(box, -0.03 if last_third else 0.01) and lean is None
        ):
            continue
        mask = arrangement.silhouette(candidate)
        if arrangement.leaves_all_visible(mask):
            arrangement.put(candidate, box)
            arrangement.silhouettes.append(mask)
            return True
    return False


def choose_under(rng: Random, arrangement: Arrangement) -> SceneObject | None:
    """The object that the next one of a pile lies on; None to begin another pile."""
    return rng.choice(arrangement.objects) if arrangement.objects and rng.random() < PILE_SHARE else None


def stand(rng: Random, arrangement: Arrangement, thing: SceneObject, shelves: tuple[float, ...]) -> bool:
    """Place the object upright on one of the shelves; False if there is no room."""
    limit = min(DRAWINGS[thing.kind].max_tilt, 4)
    thing = replace(thing, tilt=float(rng.randint(-limit, limit)))
    x1, y1, x2, y2 = arrangement.box_of(thing)
    half_x, half_y = (x2 - x1) / 2, (y2 - y1) / 2
    for _ in range(TRIES):
        shelf = rng.randrange(len(shelves))
        edge = shelves[shelf] * arrangement.height
        ceiling = shelves[shelf - 1] * arrangement.height + SHELF_THICKNESS if shelf else 0.0
        x = rng.uniform(half_x + MARGIN, max(half_x + MARGIN, arrangement.width - half_x - MARGIN))
        center = (round(x / arrangement.width, 4), round((edge - half_y) / arrangement.height, 4))
        candidate = replace(thing, center=center, shelf=shelf + 1)
        box = arrangement.box_of(candidate)
        if box[1] < ceiling + MARGIN or not arrangement.fits(box) or arrangement.touches(box, 0.005):
            continue
        arrangement.put(candidate, box)  # objects on a shelf hide nothing: no silhouette is needed
        return True
    return False
