"""Rows from the drawn world: `world/val` and the other benchmark splits, and `world/train`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from instructsam.data.formats.source import Tally
from instructsam.engine.digests import digest
from instructsam.engine.row_images import DrawnImages
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.world_rows import SHORT_SIDE, world_rows
from instructsam.errors import ConfigError
from instructsam.structures.checks import check_choices
from instructsam.world.splits.build import CALIBRATION_SEED, SCENES, SEED, stream_of
from instructsam.world.splits.names import SPLIT_NAMES, Split

PREFIX = "world/"
TRAIN = "train"


@dataclass(frozen=True)
class WorldRows:
    """The scenes of a split, with the pictures of the benchmark of this name.

    Attributes:
        split: one of `SPLIT_NAMES`, or train.
        scenes: number of rows.
    """

    split: str
    scenes: int

    @classmethod
    def open(cls, settings: SourceSettings) -> WorldRows:
        """The scenes of `world/SPLIT`.

        Raises:
            ConfigError: there is no such split, or no number of scenes for the endless one.
        """
        split = settings.data.removeprefix(PREFIX)
        check_choices("source.data: the split of world/SPLIT", [split], (*SPLIT_NAMES, TRAIN))
        if split == TRAIN and not settings.limit:
            raise ConfigError(
                "source.limit must be the number of scenes of world/train, which has no end; got 0: set source.limit"
            )
        return cls(split, settings.limit or SCENES)

    @property
    def images(self) -> DrawnImages:
        """Scenes, drawn again."""
        return DrawnImages()

    def fingerprint(self) -> str:
        """Of the split and the number of scenes."""
        return digest(["the drawn world", self.split, self.scenes, SHORT_SIDE])

    def rows(self, tally: Tally) -> Iterator[ImageRow]:
        """One row for each scene, with its visible objects."""
        seed = CALIBRATION_SEED if self.split == "calibration" else SEED
        stream = TRAIN if self.split == TRAIN else stream_of(cast("Split", self.split))
        return world_rows(stream, self.scenes, seed)
