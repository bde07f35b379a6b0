"""An agent that knows the answer: an upper bound for agents that call the same detector with the same phrases.

It calls the detector with plain noun phrases only, as an agent does, and keeps the returned masks that lie on the
targets. It makes no mistake of language or perception: its remaining errors are the detector's, and its cost is about
the least number of calls. It is given the records, so it is a bound and not a usable model (docs/baselines.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment

from instructsam.baselines.noun_phrases import Attributes, covering_phrases, spoken_phrase
from instructsam.data.record import PhraseRecord, Record
from instructsam.data.targets import decode_all, mask_codes
from instructsam.structures.answering import Answerer, Mode
from instructsam.structures.calls import Calls
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction
from instructsam.structures.rle_masks import mask_iou

MATCH_IOU = 0.5
SCORE_THRESHOLD = 0.5


class OracleAgent:
    """Chooses among a detector's masks with the known answer in hand.

    Attributes:
        calls: every call of the detector so far.
        default_mode: "generate": the phrases are not the instruction.
    """

    default_mode: Mode = "generate"

    def __init__(self, detector: Answerer) -> None:
        self.detector = detector
        self.calls = Calls()

    @property
    def score_threshold(self) -> float:
        """Below every kept mask: they score from 0.5 to 1, in the detector's order."""
        return SCORE_THRESHOLD

    @property
    def fingerprint(self) -> str:
        """The detector's."""
        return self.detector.fingerprint

    def segment_records(
        self, image: Image.Image, records: Sequence[Record], /, *, score_threshold: float
    ) -> list[Prediction]:
        """One prediction per record: of all masks that the detector returns, at any score, those on the targets."""
        return [self._answer(image, record, score_threshold) for record in records]

    def _answer(self, image: Image.Image, record: Record, score_threshold: float) -> Prediction:
        first = len(self.calls.log)
        called: list[str] = []
        chosen: list[Instances] = []
        for group, attributes in zip(record.phrases, _attributes(record), strict=True):
            phrases = covering_phrases(attributes) if group.instances else (spoken_phrase(record, group),)
            found = []
            for phrase in phrases:
                masks = self._detect(image, record, phrase)
                found.append(_numbered(masks, len(called)))
                called.append(phrase)
            if group.instances:
                chosen.append(_on_targets(Instances.concatenate(found), record, group))
        size = (record.image.height, record.image.width)
        instances = Instances.concatenate(chosen) if chosen else Instances.empty(*size)
        instances = instances[instances.scores >= score_threshold]
        return Prediction(
            instances=instances,
            phrases=tuple(called),
            text="",
            status="ok" if len(instances) else "no_target",
            instruction=record.instruction,
            original_size=size,
            image=image,
            notes=(self.calls.note(first),),
        )

    def _detect(self, image: Image.Image, record: Record, phrase: str) -> Instances:
        with self.calls.timed("detector", record.instruction, phrase):
            return self.detector.segment(image, phrases=[phrase], score_threshold=0.0).instances


def _attributes(record: Record) -> list[list[Attributes]]:
    """Known attributes of each target: those that the world stored, else its category, else the phrase of its group."""
    stored = record.meta.get("objects")
    if isinstance(stored, list) and len(stored) == len(record.phrases):
        return [[dict(known) for known in group] for group in stored]
    return [
        [{"kind": instance.category or group.text} for instance in group.instances]
        for group in record.phrases
    ]


def _numbered(found: Instances, number: int) -> Instances:
    ids = np.full(len(found), number, dtype=np.int64)
    return Instances(found.masks, found.boxes_xyxy, found.scores, ids)


def _on_targets(found: Instances, record: Record, group: PhraseRecord) -> Instances:
    """The masks of the one-to-one matching with the most targets, then the largest IoU, all of at least 0.5."""
    targets = decode_all(mask_codes(group.instances, record), record)
    rows = matched_rows(mask_iou(found.masks, targets))
    chosen = found[rows]
    scores = (SCORE_THRESHOLD + (1 - SCORE_THRESHOLD) * chosen.scores).astype(np.float32)
    return Instances(chosen.masks, chosen.boxes_xyxy, scores, chosen.phrase_ids)


def matched_rows(iou: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the K masks to keep, by their IoU [K, M] with M targets: int64, at most one per target."""
    gain = np.where(iou >= MATCH_IOU, min(iou.shape) + iou, 0.0)  # one pair more outweighs all IoUs
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return np.asarray(rows[gain[rows, columns] > 0], dtype=np.int64)
