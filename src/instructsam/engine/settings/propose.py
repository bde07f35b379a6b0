"""The stages that propose instructions, revise them, and name the things of images without annotations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.engine.candidates import KINDS, Kind
from instructsam.errors import ConfigError

Weight = Annotated[float, Field(gt=0, le=1000)]


class ProposeSettings(Config):
    """The group `propose`; docs/engine_prompts.md explains what a change repeats.

    Attributes:
        kinds: of the requested instructions.
        weights: by kind, how often it is requested relative to the others; 1 where none is given.
        per_image: instructions of one image.
        language: of the instructions, in English: "German", "Simplified Chinese"; `filters.language` must fit.
        max_side: px of the longer side of pictures that a model sees; larger ones are shrunk.
        max_objects: numbered objects of one picture. An image with more is left out: if only some were numbered, no
            instruction about all objects of a kind could be answered.
        max_concepts: noun phrases that name the things of an image without annotations.
        temperature: of proposals and revisions.
        prompts: folder with prompts that replace the shipped ones; "" for these.
    """

    kinds: tuple[Kind, ...] = KINDS
    weights: dict[Kind, Weight] = Field(default_factory=dict)
    per_image: int = Field(default=10, ge=1, le=100)
    language: str = Field(default="English", pattern=r"^\S(.{0,58}\S)?$")
    max_side: int = Field(default=1024, ge=64, le=8192)
    max_objects: int = Field(default=40, ge=1, le=200)
    max_concepts: int = Field(default=20, ge=1, le=100)
    temperature: float = Field(default=0.7, ge=0, le=2)
    prompts: str = ""

    @model_validator(mode="after")
    def _check(self) -> ProposeSettings:
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise ConfigError(f"kinds must be one or more kinds, each once, got {list(self.kinds)}")
        if extra := sorted(set(self.weights) - set(self.kinds)):
            raise ConfigError(f"weights must be of kinds in propose.kinds, got {', '.join(extra)}")
        return self
