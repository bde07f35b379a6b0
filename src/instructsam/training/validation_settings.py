"""The group `validation` of a run's configuration: what a run is scored on while it trains, and when it stops early."""

from __future__ import annotations

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.errors import ConfigError
from instructsam.structures.answering import Mode


class ValidationSettings(Config):
    """Scores on instructions that are not trained on; without `source` and `share` there is no validation.

    Attributes:
        source: a benchmark such as world/val or refcoco/val, or a file or folder of labelled images.
        images: the image folder of a file.
        share: of the images of the training data, held out for validation; chosen by a hash of their file names, so
            always the same ones. They are not trained on.
        limit: only the first so many instructions; null for all.
        every_steps: steps between two validations; 0 for `every_epochs`.
        every_epochs: passes over the training data between two validations. Without either, or where the training data
            has no end, a run is validated ten times.
        metric: its best value decides which model is kept in best/; any metric of `instructsam evaluate`, by its key or
            title: giou, set_giou, ap, n_acc, ...
        patience: validations in a row without a better value after which the run stops; 0 never stops early.
        mode: how instructions are answered, see `Segmenter.segment`.
        pictures: example images with predictions, in the run folder and in the trackers.
    """

    source: str = ""
    images: str = ""
    share: float = Field(default=0.0, ge=0, le=0.5)
    limit: int | None = Field(default=200, ge=1)
    every_steps: int = Field(default=0, ge=0)
    every_epochs: float = Field(default=0.0, ge=0)
    metric: str = "giou"
    patience: int = Field(default=0, ge=0)
    mode: Mode = "auto"
    pictures: int = Field(default=4, ge=0, le=64)

    @model_validator(mode="after")
    def _check(self) -> ValidationSettings:
        if self.source and self.share:
            raise ConfigError(
                "source names data of its own and validation.share holds out training data: give one of them"
            )
        if self.every_steps and self.every_epochs:
            raise ConfigError("every_steps and validation.every_epochs exclude each other: give one of them")
        if self.patience and not self.wanted:
            raise ConfigError(
                "patience needs scores: set validation.source or validation.share too, or validation.patience=0"
            )
        return self

    @property
    def wanted(self) -> bool:
        """Whether the run is validated."""
        return bool(self.source or self.share)
