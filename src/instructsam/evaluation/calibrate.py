"""Which score threshold to ship: chosen on scenes that are neither trained on nor reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from instructsam.evaluation.benchmark import Benchmark, get_benchmark
from instructsam.evaluation.metrics import InstructionScore, summarise
from instructsam.evaluation.runner import Mode, SegmenterLike, predict_all, score_answer

CALIBRATION = "world/calibration"
THRESHOLDS: tuple[float, ...] = tuple(round(0.05 * step, 2) for step in range(1, 19))


@dataclass(frozen=True)
class Calibration:
    """Scores at each threshold: set gIoU, gIoU and N-acc in [0, 1]; `best` has the highest set gIoU.

    Set gIoU counts no-target instructions at their own share; a mean with N-acc would favour saying nothing at all.
    """

    rows: tuple[tuple[float, float, float, float], ...]

    @property
    def best(self) -> float:
        """The threshold to ship."""
        return max(self.rows, key=lambda row: (row[1], row[0]))[0]

    def to_text(self) -> str:
        """A Markdown table."""
        lines = ["| threshold | set gIoU | gIoU | N-acc |", "| --: | --: | --: | --: |"]
        lines += [
            f"| {t:.2f} | {set_giou:.3f} | {giou:.3f} | {n_acc:.3f} |"
            for t, set_giou, giou, n_acc in self.rows
        ]
        return "\n".join([*lines, "", f"best: {self.best:.2f}"])


def calibrate(
    segmenter: SegmenterLike,
    phrases_given: bool,
    limit: int | None = None,
    progress: Callable[[int], None] | None = None,
    benchmark: Benchmark | None = None,
) -> Calibration:
    """Answer the calibration scenes once and score the answers at every threshold.

    Args:
        segmenter: model or baseline.
        phrases_given: each instruction is its own phrase.
        limit: only the first so many instructions.
        progress: called with the number of instructions done so far.
        benchmark: other scenes than the calibration split.
    """
    scores: dict[float, list[InstructionScore]] = {threshold: [] for threshold in THRESHOLDS}
    samples = (get_benchmark(CALIBRATION) if benchmark is None else benchmark).iterate(limit)
    mode: Mode = "direct" if phrases_given else "generate"
    for done, (record, answer) in enumerate(predict_all(segmenter, samples, mode, None), start=1):
        for threshold, kept in scores.items():
            kept.append(score_answer(record, answer, threshold))
        if progress is not None:
            progress(done)
    rows: list[tuple[float, float, float, float]] = []
    for threshold, kept in scores.items():
        overall = summarise(kept)["overall"]
        set_giou, giou, n_acc = (float(overall[name] or 0.0) for name in ("set_giou", "giou", "n_acc"))
        rows.append((threshold, set_giou, giou, n_acc))
    return Calibration(tuple(rows))
