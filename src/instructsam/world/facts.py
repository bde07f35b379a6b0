"""What a scene's instructions are computed from: a few numbers per object.

An object less than `MIN_VISIBLE` visible is a hidden object: it is never a target, and an instruction whose
answer changes when it is counted is rejected (`program.answer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.world.scene import FAMILY_OF

if TYPE_CHECKING:
    from instructsam.world.scene import RenderedScene

MIN_VISIBLE = 0.35


@dataclass(frozen=True)
class ObjectFact:
    """One object as an instruction sees it.

    Attributes:
        index: position in `Scene.objects`.
        x, y: centre of the whole object's box, fractions of width and height, y grows downwards.
        area: area of the whole object, fraction of the picture.
        visible: visible fraction of the whole object, in [0, 1].
    """

    index: int
    kind: str
    family: str
    color: str
    size: str
    x: float
    y: float
    area: float
    visible: float

    @property
    def hidden(self) -> bool:
        """Too little of it is seen to ask for it."""
        return self.visible < MIN_VISIBLE


@dataclass(frozen=True)
class Facts:
    """All objects of one scene, in the scene's order."""

    objects: tuple[ObjectFact, ...]

    @classmethod
    def of(cls, rendered: RenderedScene) -> Facts:
        """Measure a rendered scene."""
        height, width = rendered.image.shape[:2]
        boxes = rendered.full_boxes_xyxy.astype(float)
        return cls(
            tuple(
                ObjectFact(
                    index=i,
                    kind=thing.kind,
                    family=FAMILY_OF[thing.kind],
                    color=thing.color,
                    size=thing.size,
                    x=(boxes[i, 0] + boxes[i, 2]) / 2 / width,
                    y=(boxes[i, 1] + boxes[i, 3]) / 2 / height,
                    area=float(rendered.full_areas[i]) / (height * width),
                    visible=float(rendered.visible_fraction[i]),
                )
                for i, thing in enumerate(rendered.scene.objects)
            )
        )

    @property
    def seen(self) -> Facts:
        """Only the objects that are visible enough to be asked for."""
        return Facts(tuple(fact for fact in self.objects if not fact.hidden))

    @property
    def has_hidden(self) -> bool:
        """Whether any object is too little visible to be a target."""
        return any(fact.hidden for fact in self.objects)
