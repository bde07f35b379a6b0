"""Which function draws which kind, and how far it may lean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from instructsam.world.drawings import animal, drinkware, fruit, tool, toy, vehicle
from instructsam.world.drawings.sketch import Picture, Rgb, Sketch, mix


@dataclass(frozen=True)
class Drawing:
    """`max_tilt` in degrees to either side; 180 means it may lie any way round."""

    draw: Callable[[Sketch, Random], None]
    max_tilt: int


DRAWINGS: dict[str, Drawing] = {
    "apple": Drawing(fruit.apple, 25),
    "banana": Drawing(fruit.banana, 60),
    "pear": Drawing(fruit.pear, 30),
    "mug": Drawing(drinkware.mug, 10),
    "glass": Drawing(drinkware.glass, 10),
    "bottle": Drawing(drinkware.bottle, 20),
    "car": Drawing(vehicle.car, 12),
    "bus": Drawing(vehicle.bus, 10),
    "sailboat": Drawing(vehicle.sailboat, 12),
    "fish": Drawing(animal.fish, 25),
    "bird": Drawing(animal.bird, 15),
    "snail": Drawing(animal.snail, 12),
    "ball": Drawing(toy.ball, 180),
    "kite": Drawing(toy.kite, 40),
    "teddy bear": Drawing(toy.teddy_bear, 20),
    "hammer": Drawing(tool.hammer, 180),
    "saw": Drawing(tool.saw, 60),
    "key": Drawing(tool.key, 180),
}


@lru_cache(maxsize=256)
def draw_kind(kind: str, color: Rgb, seed: int) -> Picture:
    """The picture of one thing; `seed` varies its proportions, details and shade."""
    vary = Random(seed)
    shade = vary.uniform(-0.04, 0.06)
    sketch = Sketch(mix(color, (255, 255, 255) if shade > 0 else (0, 0, 0), abs(shade)))
    DRAWINGS[kind].draw(sketch, vary)
    return sketch.finish()
