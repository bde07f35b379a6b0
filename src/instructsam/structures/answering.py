"""Answering: the one protocol of everything that answers instructions about images, models and baselines alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args, overload

from PIL import Image

from instructsam.structures.calls import Calls
from instructsam.structures.predictions import Prediction

if TYPE_CHECKING:
    from typing_extensions import TypeIs

Mode = Literal["auto", "generate", "direct"]
"""Where the target phrases come from: "generate" lets the model write them, "direct" takes the instruction as its own
phrase, and "auto" is the answerer's `default_mode`."""

MODES: tuple[Mode, ...] = get_args(Mode)


class Answering(Protocol):
    """Facts about everything that answers."""

    @property
    def score_threshold(self) -> float:
        """Default selection threshold on scores, in [0, 1]."""
        ...

    @property
    def default_mode(self) -> Mode:
        """The mode that "auto" stands for: "generate" or "direct"."""
        ...

    @property
    def fingerprint(self) -> str:
        """A short text that differs between weights."""
        ...

    @property
    def calls(self) -> Calls | None:
        """Every call of a model since it was opened; None for one that keeps no log."""
        ...


class Answerer(Answering, Protocol):
    """A model or baseline: image and instructions, or phrases, in; predictions out."""

    @overload
    def segment(
        self, image: Image.Image, /, *, phrases: Sequence[str], score_threshold: float | None
    ) -> Prediction:
        """One prediction for given phrases; `phrase_ids` of its instances count the phrases."""
        ...

    @overload
    def segment(
        self, image: Image.Image, instruction: list[str], /, *, mode: Mode, score_threshold: float | None
    ) -> list[Prediction]:
        """One prediction per instruction, each with its candidates of score >= `score_threshold`."""
        ...


class RecordAnswerer(Answering, Protocol):
    """A baseline that is given the known answers, such as an oracle: an upper bound, not a usable model."""

    def segment_records(
        self, image: Image.Image, records: Sequence[Any], /, *, score_threshold: float
    ) -> list[Prediction]:
        """One prediction per `data.record.Record` of the image."""
        ...


AnyAnswerer: TypeAlias = Answerer | RecordAnswerer


def takes_records(answerer: AnyAnswerer) -> TypeIs[RecordAnswerer]:
    """Whether an answerer is given records in place of instructions."""
    return hasattr(answerer, "segment_records")
