"""The objects that lie in a scene so far, and whether another one fits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instructsam.world.scenes.drawings.geometry import Box
from instructsam.world.scenes.drawings.registry import draw_kind
from instructsam.world.scenes.render import object_tile
from instructsam.world.scenes.scene import COLORS, SceneObject

# Above the promised 0.35: silhouettes are compared on a coarse grid here.
KEPT_VISIBLE = 0.45
GRID = 128
MARGIN = 0.012

Mask = NDArray[np.bool_]


@dataclass
class Arrangement:
    """Objects with their boxes and silhouettes. Lengths in fractions of the picture's shorter side."""

    height: float
    width: float
    objects: list[SceneObject] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    silhouettes: list[Mask] = field(default_factory=list)
    attempts: int = 0

    def box_of(self, thing: SceneObject) -> Box:
        """The box of a whole object, x1, y1, x2, y2."""
        x1, y1, x2, y2 = draw_kind(thing.kind, COLORS[thing.color], thing.seed).box_xyxy(
            int(thing.tilt), thing.mirrored
        )
        half_x, half_y = (x2 - x1) / 2 * thing.scale, (y2 - y1) / 2 * thing.scale
        x, y = thing.center[0] * self.width, thing.center[1] * self.height
        return x - half_x, y - half_y, x + half_x, y + half_y

    def fits(self, box: Box) -> bool:
        """Whether the box lies inside the picture."""
        return (
            box[0] >= MARGIN
            and box[1] >= MARGIN
            and box[2] <= self.width - MARGIN
            and box[3] <= self.height - MARGIN
        )

    def touches(self, box: Box, gap: float) -> bool:
        """Whether the box is closer than `gap` to that of another object."""
        return any(
            box[0] < other[2] + gap
            and other[0] < box[2] + gap
            and box[1] < other[3] + gap
            and other[1] < box[3] + gap
            for other in self.boxes
        )

    def silhouette(self, thing: SceneObject) -> Mask:
        """The object's pixels on the coarse grid."""
        height, width = int(self.height * GRID + 0.5), int(self.width * GRID + 0.5)
        tile = object_tile(thing, height, width, supersample=1)
        alpha = np.asarray(tile.image.getchannel("A")) > 127
        mask = np.zeros((height, width), dtype=bool)
        y1, x1 = max(tile.top, 0), max(tile.left, 0)
        y2, x2 = min(tile.top + alpha.shape[0], height), min(tile.left + alpha.shape[1], width)
        mask[y1:y2, x1:x2] = alpha[y1 - tile.top : y2 - tile.top, x1 - tile.left : x2 - tile.left]
        return mask

    def leaves_all_visible(self, mask: Mask) -> bool:
        """Whether enough of every object remains visible under another one with this silhouette."""
        covered = mask.copy()
        for earlier in reversed(self.silhouettes):
            if np.count_nonzero(earlier & ~covered) < KEPT_VISIBLE * np.count_nonzero(earlier):
                return False
            covered |= earlier
        return True

    def put(self, thing: SceneObject, box: Box) -> None:
        """Add an object on top of the others."""
        self.objects.append(thing)
        self.boxes.append(box)
