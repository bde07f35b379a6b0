"""The groups `parts` and `lora` of a run: which parts of the model train, how fast, and how. No torch."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, get_args

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.errors import ConfigError

Part = Literal[
    "language_model",
    "word_embeddings",
    "vlm_vision",
    "projectors",
    "instance_queries",
    "detector_vision",
    "detector",
]
PARTS: tuple[Part, ...] = get_args(Part)
Rate = float | Literal["freeze"] | None
VLM_PARTS: tuple[Part, ...] = ("language_model", "word_embeddings", "vlm_vision")


class PartSettings(Config):
    """For each part of the model its peak learning rate, or "freeze"; unset: `optim.lr`.

    Muon's learning rate of a part is scaled alike. Frozen parts run without gradients and have no optimizer state.

    Attributes:
        language_model: transformer and text head of the VLM.
        word_embeddings: the VLM's token table; unset: as `language_model`. A text head tied to it belongs here.
        vlm_vision: the VLM's vision encoder.
        projectors: between the VLM and the detector.
        instance_queries: the learned query bank.
        detector_vision: the detector's vision encoder.
        detector: the rest of the detector, such as SAM3's DETR encoder, decoder, masks and scores.
    """

    language_model: Rate = None
    word_embeddings: Rate = None
    vlm_vision: Rate = None
    projectors: Rate = None
    instance_queries: Rate = None
    detector_vision: Rate = None
    detector: Rate = None

    @model_validator(mode="after")
    def _check(self) -> PartSettings:
        for part in PARTS:
            value = getattr(self, part)
            if isinstance(value, float) and not 0 < value <= 100:
                raise ConfigError(f"{part} must be a learning rate in (0, 100] or freeze, got {value:g}")
        return self

    def of(self, part: Part) -> Rate:
        """The setting that holds for a part."""
        value: Rate = getattr(self, part)
        if value is None and part == "word_embeddings":
            return self.language_model
        return value

    def frozen(self, part: Part) -> bool:
        """Whether a part is frozen by its setting."""
        return self.of(part) == "freeze"


class LoraSettings(Config):
    """Low-rank adapters on the VLM (arXiv 2106.09685), by peft; the VLM's own weights stay as they are.

    Attributes:
        rank: of the adapters; 0 trains without adapters.
        alpha: the update is scaled by alpha / rank.
        dropout: on the input of the adapters.
        vision: adapt the VLM's vision encoder too; without it `parts.vlm_vision` decides whether that is trained.
        target_modules: regular expression for the full names of the linear layers to adapt; empty for all linear
            layers of attention and MLP in the language model, and with `vision` in the vision encoder.
        merge_on_export: `last/` and `best/` hold the merged model, which needs no base; off: the adapter.
    """

    rank: int = Field(default=0, ge=0, le=4096)
    alpha: float = Field(default=16.0, gt=0, le=100_000)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    vision: bool = False
    target_modules: str = ""
    merge_on_export: bool = True

    @model_validator(mode="after")
    def _check(self) -> LoraSettings:
        try:
            re.compile(self.target_modules)
        except re.error as error:
            raise ConfigError(
                f"target_modules must be a regular expression, got {self.target_modules!r} ({error})"
            ) from error
        if not self.rank and (self.vision or self.target_modules or not self.merge_on_export):
            raise ConfigError(
                "rank is 0, so no adapter is trained: set lora.rank, such as 64, or unset the rest"
            )
        return self

    @property
    def adapted(self) -> tuple[Part, ...]:
        """Parts that may get adapters."""
        if not self.rank:
            return ()
        return ("language_model", "vlm_vision") if self.vision else ("language_model",)


def trained_in_full(stage: Collection[Part], parts: PartSettings, lora: LoraSettings) -> tuple[Part, ...]:
    """Parts whose own weights are trained: those of the stage that neither a setting nor an adapter freezes.

    Beside adapters the VLM's parts are trained in full only where `parts` gives them a learning rate.
    """
    chosen = [part for part in PARTS if part in stage and not parts.frozen(part)]
    if lora.rank:
        chosen = [part for part in chosen if part not in lora.adapted]
        chosen = [part for part in chosen if part not in VLM_PARTS or getattr(parts, part) is not None]
    return tuple(chosen)


def check_parts(stage: str, trained: Collection[Part], parts: PartSettings, lora: LoraSettings) -> None:
    """Refuse settings of parts that contradict the stage or each other.

    Args:
        stage: its name.
        trained: the parts that the stage trains.

    Raises:
        ConfigError: which one, and how to change it.
    """
    for part in PARTS:
        if part not in trained and isinstance(getattr(parts, part), float):
            raise ConfigError(
                f"parts.{part} has a learning rate, but stage {stage} does not train it: remove it, or use stage all"
            )
    for part in lora.adapted:
        if part not in trained:
            raise ConfigError(f"lora adapts the {part}, which stage {stage} does not train: use stage all")
        if parts.frozen(part):
            raise ConfigError(
                f"lora adapts the {part}, which parts.{part}=freeze freezes: remove one of them"
            )
    if lora.rank and isinstance(parts.word_embeddings, float):
        raise ConfigError(
            "parts.word_embeddings has a learning rate, but lora keeps word embeddings: remove one of them"
        )
    if not trained_in_full(trained, parts, lora) and not lora.rank:
        raise ConfigError(
            f"parts freezes everything that stage {stage} trains: give one of {', '.join(trained)} a learning rate"
        )
