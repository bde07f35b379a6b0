"""Scenes, samples and records that several tests look at, each computed once."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import islice

from PIL import Image

from instructsam.data.record import Record
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.scene import Scene
from instructsam.world.splits.build import benchmark_records
from instructsam.world.splits.names import Split
from instructsam.world.splits.stream import WorldSample, WorldSettings, world_sample

SETTINGS = WorldSettings(short_sides=(64,), instructions_per_scene=8, split="val")


@cache
def scene(seed: int) -> Scene:
    """A scene of the default settings."""
    return sample_scene(seed)


@lru_cache(maxsize=256)
def sample(seed: int, index: int, settings: WorldSettings = SETTINGS) -> WorldSample:
    """A sample of a stream."""
    return world_sample(seed, index, settings)


@cache
def first_records(split: Split) -> tuple[tuple[Image.Image, Record], ...]:
    """The first seven records of a split, of its first two or three scenes."""
    return tuple(islice(benchmark_records(split), 7))
