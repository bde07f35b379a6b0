"""Which function draws which kind, and how far it may lean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from instructsam.world.scenes.drawings import (
    accessory,
    animal,
    building,
    clothes,
    cutlery,
    drinkware,
    fruit,
    furniture,
    plant,
    tool,
    toy,
    vehicle,
)
from instructsam.world.scenes.drawings.sketch import Picture, Rgb, Sketch, mix


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
    "strawberry": Drawing(fruit.strawberry, 30),
    "teapot": Drawing(drinkware.teapot, 10),
    "fork": Drawing(cutlery.fork, 180),
    "knife": Drawing(cutlery.knife, 180),
    "spoon": Drawing(cutlery.spoon, 180),
    "airplane": Drawing(vehicle.airplane, 20),
    "cat": Drawing(animal.cat, 12),
    "hat": Drawing(clothes.hat, 20),
    "shoe": Drawing(clothes.shoe, 15),
    "sock": Drawing(clothes.sock, 25),
    "shirt": Drawing(clothes.shirt, 20),
    "umbrella": Drawing(accessory.umbrella, 25),
    "bag": Drawing(accessory.bag, 12),
    "chair": Drawing(furniture.chair, 8),
    "table": Drawing(furniture.table, 6),
    "lamp": Drawing(furniture.lamp, 8),
    "flower": Drawing(plant.flower, 20),
    "tree": Drawing(plant.tree, 8),
    "cactus": Drawing(plant.cactus, 8),
    "house": Drawing(building.house, 5),
    "castle": Drawing(building.castle, 5),
    "tent": Drawing(building.tent, 8),
}


@lru_cache(maxsize=256)
def draw_kind(kind: str, color: Rgb, seed: int) -> Picture:
    """The picture of one thing; `seed` varies its proportions, details and shade."""
    vary = Random(seed)
    shade = vary.uniform(-0.04, 0.06)
    sketch = Sketch(mix(color, (255, 255, 255) if shade > 0 else (0, 0, 0), abs(shade)))
    DRAWINGS[kind].draw(sketch, vary)
    return sketch.finish()
