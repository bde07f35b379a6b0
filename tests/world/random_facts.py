"""Facts of scenes without pixels, for tests that need many of them."""

from __future__ import annotations

from random import Random

from instructsam.world.scenes.facts import Facts, ObjectFact
from instructsam.world.scenes.scene import COLORS, FAMILY_OF, KINDS, PATTERNS, SIZES

AREAS = {"small": 0.015, "medium": 0.035, "large": 0.09}


def random_facts(seed: int) -> Facts:
    """One to ten objects that share kinds and colours like those of drawn scenes, sometimes on shelves."""
    rng = Random(seed)
    shelves = rng.choice((0, 0, 0, 2, 3))
    kinds, colors = rng.sample(KINDS, 4), rng.sample(tuple(COLORS), 3)
    things = []
    for index in range(rng.randint(1, 10)):
        kind, size = rng.choice(kinds), rng.choice(SIZES)
        area = AREAS[size] * rng.uniform(0.8, 1.2)
        things.append(
            ObjectFact(
                index=index,
                kind=kind,
                family=FAMILY_OF[kind],
                color=rng.choice(colors),
                size=size,
                x=rng.uniform(0.1, 0.9),
                y=rng.uniform(0.1, 0.9),
                area=area,
                visible=1.0 if rng.random() < 0.9 else rng.uniform(0.1, 0.9),
                pattern=rng.choice(PATTERNS),
                shelf=rng.randint(1, shelves) if shelves else 0,
                width=area**0.5,
                height=area**0.5,
            )
        )
    return Facts(tuple(things), rng.choice((1.0, 4 / 3, 3 / 4)), shelves)
