"""The group `data` of a run's configuration: where samples come from and how batches are made of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from instructsam.errors import ConfigError
from instructsam.structures.checks import check_intervals

Word = bool | int | float | str
SourceOption = Word | tuple[Word, ...] | dict[str, int | float] | None


@dataclass(frozen=True)
class DataSettings:
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

    source: str | dict[str, float] = "world"
    folder: str = ""
    world: dict[str, SourceOption] = field(default_factory=dict)
    images_per_batch: int = 4
    instructions_per_image: int = 8
    direct_fraction: float = 0.3
    color_jitter: float = 0.0
    workers: int = 0
    prefetch: int = 2

    def __post_init__(self) -> None:
        check_intervals(
            self,
            images_per_batch="[1, 4096]",
            instructions_per_image="[1, 1000]",
            direct_fraction="[0, 1]",
            color_jitter="[0, 0.9]",
            workers="[0, 256]",
            prefetch="[1, 1024]",
        )
        for name, weight in self.weights.items():
            if not name or not weight > 0:
                raise ConfigError(
                    "source must be a name or names with weights above 0, such as {world: 1, refcoco/train: 3}, got "
                    f"{self.source!r}"
                )

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every source by its name."""
        return {self.source: 1.0} if isinstance(self.source, str) else self.source
