"""Jobs: an image with everything that is requested about it. Runs and servers batch several of them. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instructsam.images.loader import LoadedImage
from instructsam.structures.answering import Mode

if TYPE_CHECKING:
    from typing import TypeAlias

    from instructsam.errors import InputError
    from instructsam.structures.predictions import Prediction

    JobResult: TypeAlias = "list[Prediction] | InputError"


@dataclass(frozen=True)
class ImageJob:
    """One image, and instructions or phrases about it.

    Attributes:
        image: upright RGB.
        instructions: one prediction each; with phrases at most one.
        phrases: target phrases given by the caller: one prediction, without decoding.
        mode: "auto", "generate" or "direct".
        score_threshold: None for the model's default.
        key: a hash of the image's content; jobs with equal keys share features, which a cache may keep. Empty: none.
    """

    image: LoadedImage
    instructions: tuple[str, ...] = ()
    phrases: tuple[str, ...] | None = None
    mode: Mode = "auto"
    score_threshold: float | None = None
    key: str = ""
