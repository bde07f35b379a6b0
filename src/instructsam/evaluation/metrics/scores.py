"""The numbers that one instruction contributes to every metric. Numpy only.

Each (image, instruction) is one unit and has an id of its own; the instances of all its phrases are pooled.
Formulas, sources and the rules without targets: docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.evaluation.metrics.matching import RankedMatches


@dataclass(frozen=True, eq=False)
class ConceptCounts:
    """Counts for SA-Co's cgF1 of one (image, phrase): the kept set against one annotator's targets.

    Attributes:
        targets, kept: how many.
        hits: int64 [T], true positives at each IoU threshold.
    """

    targets: int
    kept: int
    hits: NDArray[np.int64]

    @property
    def mean_f1(self) -> float:
        """Mean over thresholds of 2 TP / (kept + targets); 1 when both are empty."""
        both = self.targets + self.kept
        return float(2 * self.hits.mean() / both) if both else 1.0


@dataclass(frozen=True, eq=False)
class InstructionScore:
    """The numbers that one instruction contributes.

    Attributes:
        id: unique name of the (image, instruction) pair.
        family: instruction family; empty when the benchmark has none.
        image: name of the image, whose instructions the bootstrap resamples together; empty: on its own.
        num_targets: M, without crowds.
        mean_target_area: px; 0 without targets.
        num_kept: predictions at or above the score threshold.
        intersection, union: px, of the union of kept predictions and the union of targets.
        set_giou: matched IoU over max(kept, M).
        matched_iou, set_size: the sum of matched IoU and max(kept, M), for a ratio of sums.
        set_intersection, set_union: px, summed over matched pairs; unmatched masks add to the union only.
        num_matched: kept predictions that are matched one to one at IoU 0.5.
        num_duplicates: kept predictions whose best target (IoU >= 0.5) is also that of one with a higher score.
        num_wrong: kept predictions that touch no target (IoU < 0.1).
        num_poor: kept predictions whose best IoU lies in [0.1, 0.5).
        num_missed: targets that no kept prediction touches (IoU < 0.1).
        exact_boxes: whether the boxes of the kept masks are exactly those of the targets, in the way of GREC.
        concept: counts of the annotation with the best mean F1.
        ranked_scores: float64 [min(N, 100)], descending, of ALL predictions.
        ranked: COCO's matching of these.
        unanswered: 1 where the model did not answer the record: never right, not even without a target.
    """

    id: str
    family: str
    image: str
    num_targets: int
    mean_target_area: float
    num_kept: int
    intersection: int
    union: int
    set_giou: float
    matched_iou: float
    set_size: int
    set_intersection: int
    set_union: int
    num_matched: int
    num_duplicates: int
    num_wrong: int
    num_poor: int
    num_missed: int
    exact_boxes: bool
    concept: ConceptCounts
    ranked_scores: NDArray[np.float64]
    ranked: RankedMatches
    unanswered: int = 0

    @property
    def answered(self) -> bool:
        """Whether the model answered the record."""
        return not self.unanswered

    @property
    def giou(self) -> float:
        """IoU of the unions; both empty is 1, one empty is 0."""
        return self.intersection / self.union if self.union else float(self.answered)

    @property
    def exact(self) -> bool:
        """Whether the kept set is exactly the target set (F1 = 1 at IoU 0.5)."""
        return self.answered and self.num_matched == self.num_kept == self.num_targets

    @property
    def silent(self) -> bool:
        """Whether the model answered, and nothing is kept."""
        return self.answered and self.num_kept == 0
