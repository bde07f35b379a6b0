"""SA-Co's classification-gated F1 (SAM 3, arXiv 2511.16719): right masks where there are any, silence elsewhere.

Shapes: B resamples (see `ScoreSet`), T = 10 IoU thresholds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from instructsam.evaluation.metrics.matching import IOU_THRESHOLDS
from instructsam.evaluation.metrics.score_set import ScoreSet, Values
from instructsam.evaluation.metrics.scores import ConceptCounts, InstructionScore

_RELEASED_F1 = 1e-4  # what the released evaluator adds to the denominators of precision, recall and F1
_RELEASED_MCC = 1e-6


@dataclass(frozen=True, eq=False)
class ConceptScore:
    """cgF1 = pmF1 x IL_MCC at each IoU threshold.

    Attributes:
        pm_f1: float64 [T], micro F1 of all instances; false positives count only where there is a target.
        il_mcc: Matthews correlation of "something is kept" with "there is a target"; None without a single record
            without a target, where it is undefined. 0 for a model that always or never keeps something.
    """

    pm_f1: NDArray[np.float64]
    il_mcc: float | None

    @property
    def cgf1(self) -> NDArray[np.float64] | None:
        """float64 [T]; None where `il_mcc` is."""
        return None if self.il_mcc is None else self.pm_f1 * self.il_mcc


def concept_score(counts: Sequence[ConceptCounts], released: bool = False) -> ConceptScore | None:
    """cgF1 of many (image, phrase) pairs.

    Args:
        released: with the small numbers that the released evaluator adds to each denominator, to equal its digits: its
            perfect answer scores .99995, and cgF1 is 0 without a negative. Without, the former scores 1, and the
            latter is None.

    Returns:
        None without any target.
    """
    positive = [item for item in counts if item.targets]
    if not positive:
        return None
    hits: Values = np.asarray(np.sum([item.hits for item in positive], axis=0, dtype=np.float64))
    kept, targets = (float(sum(getattr(item, name) for item in positive)) for name in ("kept", "targets"))
    tp = sum(item.kept > 0 for item in positive)
    tn = sum(item.kept == 0 for item in counts if not item.targets)
    fp, fn = len(counts) - len(positive) - tn, len(positive) - tp
    if released:
        precision, recall = hits / (kept + _RELEASED_F1), hits / (targets + _RELEASED_F1)
        f1 = 2 * precision * recall / (precision + recall + _RELEASED_F1)
        return ConceptScore(f1, float(matthews(tp, fp, tn, fn, _RELEASED_MCC)))
    mcc = float(matthews(tp, fp, tn, fn)) if fp + tn else None
    return ConceptScore(_micro_f1(hits, np.array(kept + targets)), mcc)


def matthews(
    tp: float | Values, fp: float | Values, tn: float | Values, fn: float | Values, epsilon: float = 0.0
) -> Values:
    """Matthews correlation of two-by-two tables; 0 when a row or column is empty."""
    tp, fp, tn, fn = (np.asarray(count, dtype=np.float64) for count in (tp, fp, tn, fn))
    size = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)) + epsilon
    return np.where(size > 0, (tp * tn - fp * fn) / np.where(size > 0, size, 1.0), 0.0)


def pm_f1(scores: ScoreSet) -> Values:
    """pmF1, averaged over the thresholds: [B], NaN without a target."""
    return np.asarray(_pm_f1(scores).mean(axis=1))


def il_mcc(scores: ScoreSet) -> Values:
    """IL_MCC: [B], NaN where no record has a target, or all have."""
    positive, tp, fp = (scores.total(term) for term in (_is_positive, _is_found, _is_false_alarm))
    negative = scores.total(_is_negative)
    found = matthews(tp, fp, negative - fp, positive - tp)
    return np.where((positive > 0) & (negative > 0), found, np.nan)


def cgf1(scores: ScoreSet) -> Values:
    """cgF1, averaged over the thresholds: [B], NaN where a factor is."""
    return np.asarray((_pm_f1(scores) * il_mcc(scores)[:, None]).mean(axis=1))


def _pm_f1(scores: ScoreSet) -> Values:
    hits = np.stack([scores.total(term) for term in _HITS], axis=1)
    return _micro_f1(hits, scores.total(_size)[:, None])


def _micro_f1(hits: Values, size: Values) -> Values:
    return np.where(size > 0, 2 * hits / np.where(size > 0, size, 1.0), np.nan)


def _is_positive(score: InstructionScore) -> bool:
    return score.concept.targets > 0


def _is_negative(score: InstructionScore) -> bool:
    return score.concept.targets == 0


def _is_found(score: InstructionScore) -> bool:
    return score.concept.targets > 0 and score.concept.kept > 0


def _is_false_alarm(score: InstructionScore) -> bool:
    return score.concept.targets == 0 and score.concept.kept > 0


def _size(score: InstructionScore) -> int:
    return score.concept.targets + score.concept.kept if score.concept.targets else 0


def _hits(index: int, score: InstructionScore) -> int:
    return int(score.concept.hits[index])


_HITS = tuple(partial(_hits, index) for index in range(len(IOU_THRESHOLDS)))
