"""The optional stage that segments candidates again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from instructsam.config import Config
from instructsam.engine.candidates import KINDS, Kind

RegroundWords = Literal["phrases", "instruction"]


class RegroundSettings(Config):
    """The group `reground`.

    Attributes:
        model: a model folder, a hub id, sam3:FOLDER; "" leaves the stage out.
        kinds: of the candidates that are segmented again; SAM3 knows categories and attributes alone.
        words: "phrases" gives the model each phrase, "instruction" the whole instruction, which SAM3 cannot read.
        min_set_giou: least set gIoU of its answer and the record, for each phrase.
        score_threshold: of its instances.
    """

    model: str = ""
    kinds: tuple[Kind, ...] = KINDS
    words: RegroundWords = "phrases"
    min_set_giou: float = Field(default=0.7, ge=0, le=1)
    score_threshold: float = Field(default=0.5, ge=0, le=1)
