"""One stored answer: a line of predictions.jsonl."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.structures.masks import decode_rles, text_code
from instructsam.structures.predictions import Prediction
from instructsam.structures.rle_masks import RleMasks
from instructsam.structures.safe_text import one_line

UNANSWERED = "unanswered"


@dataclass(frozen=True)
class StoredPrediction:
    """One line of predictions.jsonl.

    Attributes:
        id: the record's id.
        instruction: the user's text.
        family: instruction family of the record.
        phrases: as written by the model or given.
        status: of the model; a run that requests all candidates only learns "truncated" from it. "unanswered": the
            model could not take the record.
        size: (height, width) px.
        masks: N COCO run-length codes, ALL ranked candidates.
        scores: N numbers in [0, 1].
        phrase_ids: N indices into `phrases`.
        seconds: share of the model's time; the instructions of one call share it equally.
        content: digest of the instruction and picture; empty where it is unknown.
        reason: why there is no answer; empty where there is one.
        place: file and line, for messages; not written.
    """

    id: str
    instruction: str
    family: str
    phrases: tuple[str, ...]
    status: str
    size: tuple[int, int]
    masks: tuple[dict[str, Any], ...]
    scores: tuple[float, ...]
    phrase_ids: tuple[int, ...]
    seconds: float
    content: str = ""
    reason: str = ""
    place: str = field(default="", compare=False, repr=False)

    @classmethod
    def from_prediction(
        cls, prediction: Prediction, *, id: str, family: str = "", seconds: float = 0.0, content: str = ""
    ) -> StoredPrediction:
        """The part of a prediction that is stored."""
        found = prediction.instances
        return cls(
            id=id,
            instruction=prediction.instruction,
            family=family,
            phrases=tuple(prediction.phrases),
            status=prediction.status,
            size=found.size,
            masks=tuple(text_code(code) for code in RleMasks.encode(found.masks).codes),
            scores=tuple(float(v) for v in found.scores),
            phrase_ids=tuple(int(v) for v in found.phrase_ids),
            seconds=round(float(seconds), 6),
            content=content,
        )

    @property
    def answered(self) -> bool:
        """Whether the model took the record."""
        return self.status != UNANSWERED

    def load_masks(self) -> RleMasks:
        """N masks, still encoded.

        Raises:
            InputError: a code is malformed or of another size.
        """
        return RleMasks.load(self.masks, (self.size[0], self.size[1]), self._where())

    def decode_masks(self) -> NDArray[np.bool_]:
        """bool [N, H, W].

        Raises:
            InputError: a code is malformed, of another size, or all together are too large.
        """
        return decode_rles(self.masks, (self.size[0], self.size[1]), self._where())

    def _where(self) -> str:
        return self.place or f"prediction {one_line(self.id)!r}"
