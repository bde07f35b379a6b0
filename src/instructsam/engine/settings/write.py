"""The export."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.errors import ConfigError

Format = Literal["records", "coco", "parquet"]
Images = Literal["link", "copy", "none"]


class WriteSettings(Config):
    """The group `write`.

    Attributes:
        folder: of the export, which may be a URL of fsspec such as s3://bucket/set; "" for `export` in `output_dir`.
        formats: that are written.
        name: of the data set, on its card.
        val_share, test_share: of the images, by groups of near-duplicates.
        images: "link" makes hard links to local image files and copies others, "copy" copies all; "none": records name
            the files of the source.
        embed_images: whether Parquet files hold the images, too.
        shard_rows: images in a Parquet file.
    """

    folder: str = ""
    formats: tuple[Format, ...] = ("records", "coco", "parquet")
    name: str = "inst2seg"
    val_share: float = Field(default=0.05, ge=0, lt=1)
    test_share: float = Field(default=0.05, ge=0, lt=1)
    images: Images = "link"
    embed_images: bool = True
    shard_rows: int = Field(default=1_000, ge=1)

    @model_validator(mode="after")
    def _check(self) -> WriteSettings:
        if not self.formats:
            raise ConfigError("formats must name at least one of records, coco, parquet, got none")
        if not self.name.strip():
            raise ConfigError("name must be text that is not empty: it is the title of the card")
        if self.val_share + self.test_share >= 1:
            shares = f"{self.val_share} and {self.test_share}"
            raise ConfigError(f"val_share and write.test_share must leave images to train on, got {shares}")
        return self
