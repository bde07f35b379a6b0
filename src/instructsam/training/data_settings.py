"""The group `data` of a run's configuration: where samples come from and how batches are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from instructsam.config import Config
from instructsam.structures.validation import Expected

SOURCE = "a name, or names with weights in (0, 1000000] such as {world: 1, refcoco/train: 3}"
Name = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(gt=0, le=1_000_000)]


class DataSettings(Config):
    """Sample source and batches.

    Attributes:
        source: "world" (drawn scenes, without end), a file or folder of Inst2Seg records, or the training split of a
            published data set such as refcoco/train; several of them with their weights for a mixture,
            {world: 1, refcoco/train: 3}.
        folder: the data folder that holds the files of published data sets.
        world: options of the drawn world (`world.source.WorldSourceSettings`).
        images_per_batch: images of one batch and process.
        instructions_per_image: at most so many instructions share an image and its vision passes.
        direct_fraction: share of instructions in [0, 1] that are given as their own phrase, without decoding.
        color_jitter: in [0, 0.9], how far an image's brightness may be from 1, contrast and colours less far
            (`training.augment`); 0 leaves images as they are.
        workers: processes that make batches; 0 makes them in the training process.
        prefetch: batches that each worker keeps ready.
    """

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "scenes_per_batch": "images_per_batch",
        "instructions_per_scene": "instructions_per_image",
        "light": "color_jitter",
        "short_sides": "world.short_sides",
        "min_objects": "world.min_objects",
        "max_objects": "world.max_objects",
        "families": "world.families",
        "family_shares": "world.family_shares",
        "nouns": "world.nouns",
        "layouts": "world.layouts",
        "invented_words": "world.invented_words",
        "captions": "world.captions",
    }

    source: Annotated[Name | dict[Name, Weight], Expected(SOURCE), Field(min_length=1)] = "world"
    folder: str = ""
    world: dict[str, Any] = Field(default_factory=dict)
    images_per_batch: int = Field(default=4, ge=1, le=4096)
    instructions_per_image: int = Field(default=8, ge=1, le=1000)
    direct_fraction: float = Field(default=0.3, ge=0, le=1)
    color_jitter: float = Field(default=0.0, ge=0, le=0.9)
    workers: int = Field(default=0, ge=0, le=256)
    prefetch: int = Field(default=2, ge=1, le=1024)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every source by its name."""
        return {self.source: 1.0} if isinstance(self.source, str) else self.source
