"""SA-Co's classification-gated F1 (SAM 3, arXiv 2511.16719): right masks where there are any, silence elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.evaluation.metrics.matching import IOU_THRESHOLDS
from instructsam.evaluation.metrics.scores import ConceptCounts

_RELEASED_F1 = 1e-4  # what the released evaluator adds to the denominators of precision, recall and F1
_RELEASED_MCC = 1e-6


@dataclass(frozen=True, eq=False)
class ConceptScore:
    """cgF1 = pmF1 x IL_MCC at each IoU threshold, and the means over the thresholds.

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
    positive = [one for one in counts if one.targets]
    if not positive:
        return None
    hits = np.sum([one.hits for one in positive], axis=0, dtype=np.float64)
    kept, targets = sum(one.kept for one in positive), sum(one.targets for one in positive)
    if released:
        precision, recall = hits / (kept + _RELEASED_F1), hits / (targets + _RELEASED_F1)
        pm_f1 = 2 * precision * recall / (precision + recall + _RELEASED_F1)
    else:
        pm_f1 = 2 * hits / (kept + targets)
    said = sum(one.kept > 0 for one in positive)
    silent = sum(one.kept == 0 for one in counts if not one.targets)
    alarms = len(counts) - len(positive) - silent
    mcc: float | None = None
    if released or len(counts) > len(positive):
        mcc = matthews(said, alarms, silent, len(positive) - said, _RELEASED_MCC if released else 0.0)
    return ConceptScore(np.asarray(pm_f1, dtype=np.float64).reshape(len(IOU_THRESHOLDS)), mcc)


def matthews(tp: float, fp: float, tn: float, fn: float, epsilon: float = 0.0) -> float:
    """Matthews correlation of a two-by-two table; 0 when a row or column is empty."""
    size = math.sqrt(float(tp + fp) * float(tp + fn) * float(tn + fp) * float(tn + fn)) + epsilon
    return (tp * tn - fp * fn) / size if size else 0.0
