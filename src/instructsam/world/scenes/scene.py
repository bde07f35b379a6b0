"""A scene before it is drawn: its objects with their attributes and places.

A `Scene` follows from its seed, which is stored in every record, so that picture and answers can be computed again.
Lengths are fractions of the picture's shorter side, positions are fractions of width and height, y grows
downwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from instructsam.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 48, 49),
    "orange": (240, 138, 36),
    "yellow": (246, 208, 56),
    "green": (62, 160, 82),
    "blue": (52, 106, 208),
    "purple": (138, 78, 184),
    "pink": (240, 140, 178),
    "brown": (130, 86, 52),
}
SIZES: tuple[str, ...] = ("small", "medium", "large")
PATTERNS: tuple[str, ...] = ("plain", "striped", "dotted")
LAYOUTS: tuple[str, ...] = ("scattered", "row", "groups", "shelves")
MOST_OBJECTS = 14  # in one scene
PILES = "piles"  # objects of one colour lie on one another; in no split, only for ablations
FAMILIES: dict[str, tuple[str, ...]] = {
    "fruit": ("apple", "banana", "pear", "strawberry"),
    "drinkware": ("mug", "glass", "bottle", "teapot"),
    "cutlery": ("fork", "knife", "spoon"),
    "vehicle": ("car", "bus", "sailboat", "airplane"),
    "animal": ("fish", "bird", "snail", "cat"),
    "toy": ("ball", "kite", "teddy bear"),
    "tool": ("hammer", "saw", "key"),
    "clothes": ("hat", "shoe", "sock", "shirt"),
    "accessory": ("umbrella", "bag"),
    "furniture": ("chair", "table", "lamp"),
    "plant": ("flower", "tree", "cactus"),
    "building": ("house", "castle", "tent"),
}
KINDS: tuple[str, ...] = tuple(kind for kinds in FAMILIES.values() for kind in kinds)
FAMILY_OF: dict[str, str] = {kind: family for family, kinds in FAMILIES.items() for kind in kinds}
Pairs = Literal["seen", "held_out"]
BACKGROUNDS: tuple[str, ...] = ("plain", "glow", "wood", "cloth", "speckle", "tiles", "meadow", "rug")


@dataclass(frozen=True)
class SceneObject:
    """One object: its attributes, and how it lies.

    Attributes:
        center: the middle of its box, as fractions of the picture's width and height.
        scale: its longest extent before tilting, as a fraction of the picture's shorter side.
        tilt: whole degrees clockwise, applied after `mirrored`.
        seed: varies its drawing (proportions, details, shade).
        pattern: one of `PATTERNS`, drawn over the parts in its own colour.
        shelf: the shelf that it stands on, counted from the top; 0 without shelves.
    """

    kind: str
    color: str
    size: str
    center: tuple[float, float]
    scale: float
    tilt: float
    mirrored: bool
    seed: int
    pattern: str = "plain"
    shelf: int = 0


@dataclass(frozen=True)
class Background:
    """`style` is one of `BACKGROUNDS`; `seed` varies texture and light."""

    style: str
    seed: int


@dataclass(frozen=True)
class Scene:
    """Objects in painter's order: later ones lie on top of earlier ones.

    Attributes:
        aspect: width / height.
        layout: one of `LAYOUTS`, or `PILES`.
        shelves: the upper edges of the shelves, fractions of the height, from the top.
    """

    seed: int
    background: Background
    objects: tuple[SceneObject, ...]
    aspect: float = 1.0
    layout: str = "scattered"
    shelves: tuple[float, ...] = ()


@dataclass(frozen=True)
class SceneSettings:
    """The choices of `layout.sample_scene`.

    Attributes:
        min_objects, max_objects: number of objects.
        aspects: width / height.
        backgrounds: some of `BACKGROUNDS`.
        layouts: some of `LAYOUTS`, or `PILES`.
        pairs: "seen" shows no kind-colour pair of `pairs.HELD_OUT_PAIRS`, "held_out" at least one.
    """

    min_objects: int = 1
    max_objects: int = 8
    aspects: tuple[float, ...] = (1.0, 4 / 3, 3 / 4)
    backgrounds: tuple[str, ...] = BACKGROUNDS
    layouts: tuple[str, ...] = LAYOUTS
    pairs: Pairs = "seen"

    def __post_init__(self) -> None:
        if not 1 <= self.min_objects <= self.max_objects <= MOST_OBJECTS:
            raise InputError(
                f"a scene needs 1 <= min_objects <= max_objects <= {MOST_OBJECTS}, "
                f"got min_objects={self.min_objects} and max_objects={self.max_objects}"
            )
        if not self.aspects or not all(0.5 <= aspect <= 2.0 for aspect in self.aspects):
            raise InputError(f"aspects (width / height) must lie in 0.5..2, got {self.aspects}")
        for name, chosen, known in (
            ("backgrounds", self.backgrounds, BACKGROUNDS),
            ("layouts", self.layouts, (*LAYOUTS, PILES)),
        ):
            if not chosen or not set(chosen) <= set(known):
                raise InputError(f"{name} must be some of {', '.join(known)}, got {chosen}")
        if self.pairs not in get_args(Pairs):
            raise InputError(f"pairs must be one of {', '.join(get_args(Pairs))}, got {self.pairs!r}")


@dataclass(frozen=True)
class RenderedScene:
    """Pixels and exact masks.

    Attributes:
        image: uint8 [H, W, 3].
        masks: bool [N, H, W], the visible pixels of each object, disjoint.
        full_boxes_xyxy: float [N, 4] px, the box of each whole object, hidden parts included.
        full_areas: float [N] px, the area of each whole object, hidden parts included.
        visible_fraction: float [N] in [0, 1].
    """

    scene: Scene
    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    full_boxes_xyxy: NDArray[np.float32]
    full_areas: NDArray[np.float32]
    visible_fraction: NDArray[np.float32]
