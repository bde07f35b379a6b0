"""The truth of the audit: drawn scenes as rows, and instructions about them whose answers are computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

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
from instructsam.engine.world_rows import scene_seed
from instructsam.engine.world_rows import world_image as world_image
from instructsam.engine.world_rows import world_rows as world_rows
from instructsam.errors import InputError
from instructsam.world.scenes.facts import Facts
from instructsam.world.splits.stream import scene_again

_SCENES_KEPT = 256


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

    @cached_property
    def _wordings(self) -> dict[str, tuple[str, ...]]:
        return {
            known.text: reworded(known, self.facts, np.random.default_rng([self.seed, place]))
            for place, known in enumerate(self.pool)
        }

    def wordings(self, known: KnownInstruction) -> tuple[str, ...]:
        """Other wordings of an instruction, the same ones every time; empty where the world has none."""
        return self._wordings[known.text]

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
    truth = _truth(scene_seed(row), min(row.image.height, row.image.width))
    if len(truth.numbers) != len(row.instances):
        raise InputError(
            f"{row.id}: expected a row with all {len(truth.numbers)} visible objects of its scene, got "
            f"{len(row.instances)}: take rows from the source world/SPLIT"
        )
    return truth


@lru_cache(maxsize=_SCENES_KEPT)
def _truth(seed: int, short_side: int) -> SceneTruth:
    facts = Facts.of(scene_again(seed, short_side))
    numbers = {fact.index: number for number, fact in enumerate(facts.seen.objects, start=1)}
    return SceneTruth(seed, facts, numbers, known_instructions(facts, seed, numbers))
