"""The export."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from instructsam.config import Config

Format = Literal["records", "coco", "parquet"]


class WriteSettings(Config):
    """The group `write`.

    Attributes:
        formats: that are written.
        name: of the data set, on its card.
        val_share, test_share: of the images, by groups of near-duplicates.
        copy_images: whether the images are copied into the export.
        shard_rows: records in a Parquet file.
    """

    formats: tuple[Format, ...] = ("records", "coco", "parquet")
    name: str = "inst2seg"
    val_share: float = Field(default=0.05, ge=0, lt=1)
    test_share: float = Field(default=0.05, ge=0, lt=1)
    copy_images: bool = True
    shard_rows: int = Field(default=10_000, ge=1)
