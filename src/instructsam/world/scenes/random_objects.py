"""The attributes of the next object of a scene: kind, colour, size, pattern, tilt."""

from __future__ import annotations

from random import Random

from instructsam.world.scenes.drawings.registry import DRAWINGS
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS
from instructsam.world.scenes.scene import (
    COLORS,
    FAMILIES,
    FAMILY_OF,
    KINDS,
    SceneObject,
    SceneSettings,
)

SCALES: dict[str, tuple[float, float]] = {
    "small": (0.16, 0.19),
    "medium": (0.235, 0.275),
    "large": (0.335, 0.41),
}
# Chances that an object repeats an attribute of an earlier one: without them there is nothing to tell apart.
REPEAT_KIND, REPEAT_FAMILY, REPEAT_COLOR, REPEAT_PATTERN = 0.42, 0.15, 0.38, 0.3
PATTERN_SHARES = {"plain": 0.5, "striped": 0.25, "dotted": 0.25}


class RandomObjects:
    """Draws the objects of one scene; `sizes` are the relative frequencies of the sizes."""

    def __init__(self, rng: Random, settings: SceneSettings, sizes: dict[str, float]) -> None:
        self.rng = rng
        self.held_out = settings.pairs == "held_out"
        self.sizes = sizes

    def draw(self, objects: list[SceneObject], under: SceneObject | None = None) -> SceneObject:
        """One more object, not yet placed; of the colour of `under`, the object that it will lie on, if any."""
        rng = self.rng
        if self.held_out and not any((one.kind, one.color) in HELD_OUT_PAIRS for one in objects):
            kind, color = rng.choice(sorted(HELD_OUT_PAIRS))
        else:
            kind = self._kind(objects)
            color = self._color(objects, kind)
        if under is not None and (kind, under.color) not in HELD_OUT_PAIRS:
            color = under.color
        size = rng.choices(tuple(self.sizes), tuple(self.sizes.values()))[0]
        pattern = rng.choices(tuple(PATTERN_SHARES), tuple(PATTERN_SHARES.values()))[0]
        if objects and rng.random() < REPEAT_PATTERN:
            pattern = rng.choice(objects).pattern
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

    def _kind(self, objects: list[SceneObject]) -> str:
        draw = self.rng.random()
        if objects and draw < REPEAT_KIND:
            return self.rng.choice(objects).kind
        if objects and draw < REPEAT_KIND + REPEAT_FAMILY:
            return self.rng.choice(FAMILIES[FAMILY_OF[self.rng.choice(objects).kind]])
        return self.rng.choice(KINDS)

    def _color(self, objects: list[SceneObject], kind: str) -> str:
        rng = self.rng
        color = rng.choice(objects).color if objects and rng.random() < REPEAT_COLOR else ""
        while not color or (not self.held_out and (kind, color) in HELD_OUT_PAIRS):
            color = rng.choice(tuple(COLORS))
        return color
