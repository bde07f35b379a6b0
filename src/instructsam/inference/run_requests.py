"""Requests, settings and results of a run over many images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from instructsam import __version__
from instructsam.structures.answering import Mode

if TYPE_CHECKING:
    from instructsam.structures.predictions import Prediction


class ModelFacts(Protocol):
    """The facts of a model that a stored run must match; a `Segmenter` has them."""

    @property
    def fingerprint(self) -> str:
        """Differs between trained models."""
        ...

    @property
    def score_threshold(self) -> float:
        """Default selection threshold."""
        ...

    @property
    def default_mode(self) -> Mode:
        """The mode that "auto" stands for."""
        ...


@dataclass(frozen=True)
class ImageRequest:
    """An image and the instructions about it.

    Attributes:
        image: its path.
        name: its path relative to the input folder.
        instructions: one answer each; empty for one answer to the phrases of the run.
        places: file and line of each instruction that comes from a file.
    """

    image: Path
    name: str
    instructions: tuple[str, ...]
    places: tuple[str, ...] = ()

    def place(self, number: int) -> str:
        """Prefix of a message about an instruction; `number` starts from 1."""
        return f"{self.places[number - 1]}: " if self.places else ""


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run.

    Attributes:
        mode: "auto", "generate" or "direct".
        score_threshold: None for the model's default.
        max_new_tokens, max_phrases: limits of the reply.
        phrases: given by the user instead of generated.
        instructions: those that apply to every image.
        instructions_file: name of the file with the instructions of each image.
        loading: options of `load` that change answers (dtype, quantize).
        facts: other facts for the log and the results (model, command).
    """

    mode: Mode = "auto"
    score_threshold: float | None = None
    max_new_tokens: int = 128
    max_phrases: int = 16
    phrases: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()
    instructions_file: str | None = None
    loading: Mapping[str, str | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def known(self) -> dict[str, Any]:
        """The settings that are known without the model, and that a stored run must match."""
        known: dict[str, Any] = {
            **self.loading,
            "max_new_tokens": self.max_new_tokens,
            "max_phrases": self.max_phrases,
            "phrases": list(self.phrases),
            "instructions": list(self.instructions),
            "instructions_file": self.instructions_file,
        }
        if self.score_threshold is not None:
            known["score_threshold"] = self.score_threshold
        if self.mode != "auto":
            known["mode"] = self.mode
        return known

    def header(self, model: ModelFacts) -> dict[str, Any]:
        """Facts and settings of the run, for the log and the results."""
        threshold = model.score_threshold if self.score_threshold is None else self.score_threshold
        settings = {
            "fingerprint": model.fingerprint,
            **self.known(),
            "score_threshold": threshold,
            "mode": model.default_mode if self.mode == "auto" else self.mode,
        }
        return {"version": __version__, **self.facts, "settings": settings}

    def header_without_model(self) -> dict[str, Any]:
        """The header of a run that did not open the model."""
        return {"version": __version__, **self.facts, "settings": self.known()}

    def options(self) -> dict[str, Any]:
        """Keyword arguments of `Segmenter.segment`."""
        options: dict[str, Any] = {
            "score_threshold": self.score_threshold,
            "max_new_tokens": self.max_new_tokens,
            "max_phrases": self.max_phrases,
        }
        return options if self.mode == "auto" else {**options, "mode": self.mode}


@dataclass(frozen=True)
class Answer:
    """An answer; `stored` if an earlier run computed it, `overlay` is the path of its overlay, if any."""

    image: Path
    prediction: Prediction
    overlay: Path | None = None
    stored: bool = False


@dataclass(frozen=True)
class Failure:
    """An image or an instruction about it that could not be answered, or an overlay that could not be written."""

    image: Path
    error: str
