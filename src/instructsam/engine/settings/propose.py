"""The stage that proposes instructions."""

from __future__ import annotations

from pydantic import Field

from instructsam.config import Config
from instructsam.engine.candidates import KINDS, Kind


class ProposeSettings(Config):
    """The group `propose`.

    Attributes:
        kinds: that are asked for.
        per_image: instructions of one image.
        language: of the instructions.
        max_side: px of the pictures that the model sees.
        max_objects: numbered objects of one picture; an image with more is left out.
        temperature: of proposals and revisions.
        prompts: folder with prompts that replace the shipped ones; "" for these.
    """

    kinds: tuple[Kind, ...] = KINDS
    per_image: int = Field(default=10, ge=1, le=100)
    language: str = "English"
    max_side: int = Field(default=1024, ge=64, le=8192)
    max_objects: int = Field(default=40, ge=1, le=200)
    temperature: float = Field(default=0.7, ge=0, le=2)
    prompts: str = ""
