"""Scenes of the drawn world's training stream as records, so that they are checked like any other source."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.data.formats.reader import RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.images.loader import at_size
from instructsam.world.splits.build import record_of
from instructsam.world.splits.stream import WorldSample, WorldSettings, world_sample


class WorldImages:
    """Draws the scene of a record again."""

    def __init__(self, seed: int, settings: WorldSettings) -> None:
        self._seed, self._settings = seed, settings

    def has(self, file: str) -> bool:
        """Every scene can be drawn."""
        return True

    def place(self, file: str) -> str:
        """The name of the scene."""
        return f"the drawn scene {file}"

    def load(self, record: Record, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The pixels of the scene."""
        number = int(record.image.file.rpartition("-")[2].partition(".")[0])
        image = _scene(self._seed, number, self._settings).rendered.image
        return image if size is None else np.asarray(at_size(Image.fromarray(image), size))


def world_reader(seed: int, settings: WorldSettings) -> RecordReader:
    """The training stream of a seed, without end."""

    def read(_: Tally) -> Iterator[Record]:
        number = 0
        while True:
            scene = _scene(seed, number, settings)
            for index, instruction in enumerate(scene.instructions):
                yield record_of(scene.rendered, instruction, f"world-{number}", index)
            number += 1

    return RecordReader("world", "the drawn world, without end", WorldImages(seed, settings), read)


@lru_cache(maxsize=8)
def _scene(seed: int, number: int, settings: WorldSettings) -> WorldSample:
    return world_sample(seed, number, settings)
