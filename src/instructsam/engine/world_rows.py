"""Drawn scenes as rows: every visible object of a scene is numbered, and the scene can be drawn again."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.structures.boxes import xyxy_to_xywh
from instructsam.structures.masks import encode_rle, mask_boxes_xyxy
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.scene import RenderedScene
from instructsam.world.splits.stream import WorldSettings, scene_again, world_sample

SHORT_SIDE = 256  # px


def world_rows(split: str, count: int, seed: int = 0, short_side: int = SHORT_SIDE) -> Iterator[ImageRow]:
    """The first `count` scenes of a split of the world, with every visible object numbered."""
    settings = WorldSettings(short_sides=(short_side,), instructions_per_scene=0, split=split)
    for index in range(count):
        yield _row(f"world-{split}-{seed}-{index:06d}", world_sample(seed, index, settings).rendered)


def _row(row_id: str, rendered: RenderedScene) -> ImageRow:
    height, width = rendered.image.shape[:2]
    boxes = xyxy_to_xywh(mask_boxes_xyxy(rendered.masks)).tolist()
    objects = tuple(
        InstanceRecord(
            encode_rle(rendered.masks[fact.index]),
            (boxes[fact.index][0], boxes[fact.index][1], boxes[fact.index][2], boxes[fact.index][3]),
            fact.kind,
        )
        for fact in Facts.of(rendered).seen.objects
    )
    image = ImageRef(f"{row_id}.png", height, width)
    return ImageRow(row_id, image, objects, "world", "CC0-1.0", {"scene_seed": rendered.scene.seed})


def world_image(row: ImageRow) -> Image.Image:
    """The picture of a row of `world_rows`, drawn again."""
    return Image.fromarray(scene_again(scene_seed(row), min(row.image.height, row.image.width)).image)


def scene_seed(row: ImageRow) -> int:
    """The seed of a row's scene.

    Raises:
        InputError: the row is no scene.
    """
    seed = row.meta.get("scene_seed")
    if not isinstance(seed, int):
        raise InputError(
            f"{row.id}: expected a row with scene_seed in its meta, as drawn scenes have; the "
            "source world/SPLIT gives them"
        )
    return seed
