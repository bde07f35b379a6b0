"""The facts that answers are computed from: a few numbers per object of a scene.

An object that is less than `MIN_VISIBLE` visible is hidden: it is never a target, and an instruction whose
answer changes when it is counted is rejected (`Program.answer`).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from instructsam.world.scenes.scene import FAMILY_OF

if TYPE_CHECKING:
    from instructsam.world.scenes.scene import RenderedScene

MIN_VISIBLE = 0.35


@dataclass(frozen=True)
class ObjectFact:
    """One object.

    Attributes:
        index: position in `Scene.objects`.
        x, y: centre of the whole object's box, fractions of width and height, y grows downwards.
        area: area of the whole object, fraction of the picture.
        visible: visible fraction of the whole object, in [0, 1].
        shelf: the shelf that it stands on, counted from the top; 0 without shelves.
        width, height: of the whole object's box, fractions of the picture's width and height.
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
    pattern: str = "plain"
    shelf: int = 0
    width: float = 0.0
    height: float = 0.0

    @property
    def hidden(self) -> bool:
        """Too little of it is visible for a target."""
        return self.visible < MIN_VISIBLE


@dataclass(frozen=True)
class Facts:
    """All objects of one scene, in the scene's order.

    Attributes:
        aspect: width / height of the picture.
        shelves: number of shelves.
        answers: program -> answer, the cache of `Program.answer`.
    """

    objects: tuple[ObjectFact, ...]
    aspect: float = 1.0
    shelves: int = 0
    answers: dict[Hashable, tuple[int, ...] | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, rendered: RenderedScene) -> Facts:
        """Measure a rendered scene."""
        height, width = rendered.image.shape[:2]
        boxes = rendered.full_boxes_xyxy.tolist()  # plain numbers: numpy's are slow one by one
        return cls(
            tuple(
                ObjectFact(
                    index=i,
                    kind=thing.kind,
                    family=FAMILY_OF[thing.kind],
                    color=thing.color,
                    size=thing.size,
                    x=(boxes[i][0] + boxes[i][2]) / 2 / width,
                    y=(boxes[i][1] + boxes[i][3]) / 2 / height,
                    area=float(rendered.full_areas[i]) / (height * width),
                    visible=float(rendered.visible_fraction[i]),
                    pattern=thing.pattern,
                    shelf=thing.shelf,
                    width=(boxes[i][2] - boxes[i][0]) / width,
                    height=(boxes[i][3] - boxes[i][1]) / height,
                )
                for i, thing in enumerate(rendered.scene.objects)
            ),
            aspect=width / height,
            shelves=len(rendered.scene.shelves),
        )

    @cached_property
    def seen(self) -> Facts:
        """Only the objects that are visible enough for a target."""
        if not self.has_hidden:
            return self
        return replace(self, objects=tuple(fact for fact in self.objects if not fact.hidden), answers={})

    @cached_property
    def has_hidden(self) -> bool:
        """Whether any object is hidden."""
        return any(fact.hidden for fact in self.objects)
