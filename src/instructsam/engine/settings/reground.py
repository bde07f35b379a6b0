"""The optional stage that segments every accepted phrase again."""

from __future__ import annotations

from pydantic import Field

from instructsam.config import Config


class RegroundSettings(Config):
    """The group `reground`.

    Attributes:
        model: a model folder, a hub id, sam3:FOLDER; "" leaves the stage out.
        min_set_giou: least set gIoU of its answer and the record.
        score_threshold: of its instances.
    """

    model: str = ""
    min_set_giou: float = Field(default=0.5, ge=0, le=1)
    score_threshold: float = Field(default=0.5, ge=0, le=1)
