"""What a rival needs of a detector: a noun phrase in, instances out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from instructsam.structures.predictions import Prediction


class PhraseDetector(Protocol):
    """Finds every instance of a noun phrase: `Sam3Concept`, or our own `Segmenter`."""

    @property
    def score_threshold(self) -> float:
        """The threshold that users get by default."""
        ...

    @property
    def fingerprint(self) -> str:
        """A short text that differs between weights."""
        ...

    def segment(
        self, image: Image.Image, /, *, phrases: Sequence[str], score_threshold: float | None
    ) -> Prediction:
        """One prediction; `phrase_ids` of its instances count the phrases. None is the detector's own threshold."""
        ...
