"""The truth of the audit: drawn scenes as rows, and instructions about them whose answers are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.audit.known import (
    LEAK,
    KnownInstruction,
    Mistake,
    known_instructions,
    mistake_of,
    reworded,
)
from instructsam.engine.candidates import Candidate
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.structures.boxes import xyxy_to_xywh
from instructsam.structures.masks import encode_rle, mask_boxes_xyxy
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.scene import RenderedScene
from instructsam.world.splits.stream import WorldSettings, scene_again, world_sample

SHORT_SIDE = 256  # px
_SCENES_KEPT = 256


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
    return Image.fromarray(scene_again(_scene_seed(row), min(row.image.height, row.image.width)).image)


@dataclass(frozen=True)
class SceneTruth:
    """A scene with the instructions that the audit knows about it.

    Attributes:
        seed: of the scene.
        facts: of all objects.
        numbers: index of an object in the scene -> its number in the row.
        pool: instructions with their answers, in a fixed order.
    """

    seed: int
    facts: Facts
    numbers: Mapping[int, int]
    pool: tuple[KnownInstruction, ...]

    @cached_property
    def _by_text(self) -> dict[str, KnownInstruction]:
        return {known.text: known for known in self.pool}

    @cached_property
    def _by_wording(self) -> dict[str, KnownInstruction]:
        return {text: known for known in self.pool for text in self.wordings(known)}

    def wordings(self, known: KnownInstruction) -> tuple[str, ...]:
        """Other wordings of an instruction, the same ones every time; empty where the world has none."""
        return reworded(known, self.facts, np.random.default_rng([self.seed, self.pool.index(known)]))

    def find(self, text: str) -> KnownInstruction | None:
        """The instruction with this text or one of its other wordings, with or without a leak."""
        text = LEAK.sub("", text)
        return self._by_text.get(text) or self._by_wording.get(text)

    def mistake(self, candidate: Candidate) -> Mistake | None:
        """The mistake of a candidate; None for an unknown instruction."""
        known = self.find(candidate.instruction)
        return None if known is None else mistake_of(candidate, known)


def truth_of(row: ImageRow) -> SceneTruth:
    """The truth about a row of `world_rows`.

    Raises:
        InputError: the row is no scene, or lacks objects of it.
    """
    truth = _truth(_scene_seed(row), min(row.image.height, row.image.width))
    if len(truth.numbers) != len(row.instances):
        raise InputError(
            f"{row.id}: expected a row with all {len(truth.numbers)} visible objects of its scene, got "
            f"{len(row.instances)}: take rows from the source world/SPLIT"
        )
    return truth


@lru_cache(maxsize=_SCENES_KEPT)
def _truth(scene_seed: int, short_side: int) -> SceneTruth:
    facts = Facts.of(scene_again(scene_seed, short_side))
    numbers = {fact.index: number for number, fact in enumerate(facts.seen.objects, start=1)}
    return SceneTruth(scene_seed, facts, numbers, known_instructions(facts, scene_seed, numbers))


def _scene_seed(row: ImageRow) -> int:
    seed = row.meta.get("scene_seed")
    if not isinstance(seed, int):
        raise InputError(
            f"{row.id}: the audit knows the answers about drawn scenes only: expected a row with scene_seed, as the "
            "source world/SPLIT gives"
        )
    return seed
