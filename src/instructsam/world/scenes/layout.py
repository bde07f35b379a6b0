"""A scene from a seed: its layout, its objects and their places."""

from __future__ import annotations

from random import Random

from instructsam.world.scenes.arrangement import GRID, Arrangement
from instructsam.world.scenes.backgrounds import SHELF_THICKNESS
from instructsam.world.scenes.placing import Spot, choose_under, place, stand
from instructsam.world.scenes.random_objects import SCALES, RandomObjects
from instructsam.world.scenes.render import scene_size
from instructsam.world.scenes.scene import PILES, Background, Scene, SceneSettings

LAYOUT_SHARES = {"scattered": 0.42, "row": 0.16, "groups": 0.18, "shelves": 0.24, PILES: 1.0}
ROW_LONGEST, SHELVES_LEAST = 7, 3  # objects
OUTDOORS = ("meadow",)
CROWDED = 10  # from more objects than this on, most are small
TOP_UPS = 60
GROUP_REACH = 0.17
SHELVES = {2: (0.47, 0.93), 3: (0.325, 0.64, 0.955)}


def _spots(rng: Random, layout: str, count: int) -> list[Spot | None]:
    """The spots of a layout, in painter's order; None for anywhere."""
    spots: list[Spot | None] = [None] * count
    if layout == "row":
        spots = [Spot((index + 0.5) / count, 0.55, (0.03, 0.1)) for index in range(count)]
        rng.shuffle(spots)
    elif layout == "groups":
        across = rng.random() < 0.5
        places = [(0.25, 0.75), (0.2, 0.5, 0.8)][count > 5 and rng.random() < 0.5]
        middles = [(x, rng.uniform(0.3, 0.7)) if across else (rng.uniform(0.3, 0.7), x) for x in places]
        for index in range(count):
            x, y = rng.choice(middles)
            spots[index] = Spot(x, y, (GROUP_REACH, GROUP_REACH))
    return spots


def _shelves(rng: Random, layout: str, count: int) -> tuple[float, ...]:
    if layout != "shelves":
        return ()
    drawn = SHELVES[3 if count > 5 or rng.random() < 0.5 else 2]
    return tuple(round(edge + rng.uniform(-0.015, 0.015), 4) for edge in drawn)


def _size_shares(count: int, shelves: tuple[float, ...], height: float) -> dict[str, float]:
    """Relative frequency of each size: tall objects need high shelves, many objects must be small."""
    if shelves:
        high = height * (shelves[1] - shelves[0])
        return {
            "small": 1.0,
            "medium": 1.0,
            "large": 1.0 if high > SCALES["large"][0] + SHELF_THICKNESS else 0.15,
        }
    if count > CROWDED:
        return {"small": 1.0, "medium": 0.7, "large": 0.25}
    return {"small": 1.0, "medium": 1.0, "large": 1.0}


def sample_scene(seed: int, settings: SceneSettings | None = None) -> Scene:
    """A scene as a pure function of its arguments.

    Every object lies wholly inside the picture and stays at least 35% visible. A full scene may have fewer objects
    than were drawn for it, but never fewer than `settings.min_objects`.
    """
    settings = settings or SceneSettings()
    rng = Random(seed)
    aspect = rng.choice(settings.aspects)
    height, width = scene_size(aspect, GRID)
    style, background_seed = rng.choice(settings.backgrounds), rng.getrandbits(31)
    count = rng.randint(settings.min_objects, settings.max_objects)
    shares = [LAYOUT_SHARES[layout] for layout in settings.layouts]
    while True:
        arrangement = Arrangement(height / GRID, width / GRID)
        layout = rng.choices(settings.layouts, shares)[0]
        if (layout == "row" and count > ROW_LONGEST) or (
            layout == "shelves" and (count < SHELVES_LEAST or style in OUTDOORS)
        ):
            layout = "scattered"
        shelves = _shelves(rng, layout, count)
        source = RandomObjects(rng, settings, _size_shares(count, shelves, arrangement.height))
        for spot in [*_spots(rng, layout, count), *[None] * TOP_UPS]:
            if len(arrangement.objects) >= count or (
                spot is None
                and len(arrangement.objects) >= settings.min_objects
                and arrangement.attempts >= count
            ):
                break
            arrangement.attempts += 1
            under = choose_under(rng, arrangement) if layout == PILES else None
            thing = source.draw(arrangement.objects, under)
            if shelves:
                stand(rng, arrangement, thing, shelves)
            else:
                place(rng, arrangement, thing, spot, under)
        if len(arrangement.objects) >= settings.min_objects:
            background = Background(style, background_seed)
            return Scene(seed, background, tuple(arrangement.objects), aspect, layout, shelves)
