"""The pictures of a report: precision over recall and histograms, as numbers and as SVG. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructsam.evaluation.metrics.average_precision import precision_points
from instructsam.evaluation.metrics.scores import InstructionScore

BINS = 20
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 360, 220, 36, 28
_COLORS = ("#0072b2", "#d55e00", "#009e73")  # Okabe and Ito: told apart in every form of colour blindness


@dataclass(frozen=True, eq=False)
class Curves:
    """What the plots show.

    Attributes:
        precision50, precision75: float64 [101], best precision at recall 0, .01, ... 1, at IoU .50 and .75; None
            without targets.
        right, wrong: int64 [20], ranked predictions by score, in bins of .05: right or not at IoU .50.
        iou: int64 [20], instructions by the IoU of the unions, in bins of .05.
    """

    precision50: NDArray[np.float64] | None
    precision75: NDArray[np.float64] | None
    right: NDArray[np.int64]
    wrong: NDArray[np.int64]
    iou: NDArray[np.int64]

    @classmethod
    def of(cls, scores: Sequence[InstructionScore]) -> Curves:
        """Numbers for all plots. Scores outside [0, 1] count in the outermost bins."""
        values = np.concatenate([np.zeros(0), *(score.ranked_scores for score in scores)])
        flags = [np.zeros(0, dtype=np.bool_)]
        hits = np.concatenate([*flags, *(score.ranked.hits[0, 0] for score in scores)])
        ignored = np.concatenate([*flags, *(score.ranked.ignored[0, 0] for score in scores)])
        return cls(
            precision_points(scores, 0),
            precision_points(scores, 5),
            _bins(values[hits]),
            _bins(values[~hits & ~ignored]),
            _bins(np.array([score.giou for score in scores], dtype=np.float64)),
        )

    def rows(self) -> list[list[list[str]]]:
        """The same as two small tables, for Markdown."""
        steps = range(0, 101, 10)
        curve = [["recall", *(f"{step / 100:.1f}" for step in steps)]]
        for name, points in (("precision at IoU .50", self.precision50), ("at IoU .75", self.precision75)):
            curve.append([name, *("-" if points is None else f"{points[step]:.3f}" for step in steps)])
        starts = [f"{2 * n / BINS:.1f}" for n in range(BINS // 2)]
        bars = [["from", *starts]]
        counts = (("right, by score", self.right), ("wrong, by score", self.wrong), ("by IoU", self.iou))
        bars += [[name, *(str(n) for n in found.reshape(-1, 2).sum(axis=1))] for name, found in counts]
        return [curve, bars]

    def svg(self) -> list[tuple[str, str]]:
        """(caption, SVG) of every plot."""
        curves = {"IoU .50": self.precision50, "IoU .75": self.precision75}
        return [
            ("Precision over recall, all ranked predictions", _lines(curves)),
            (
                "Predictions by score, right or wrong at IoU .50; heights by the square root",
                _bars({"right": self.right, "wrong": self.wrong}, power=0.5),
            ),
            ("Instructions by IoU of the unions", _bars({"instructions": self.iou})),
        ]


def _bins(values: NDArray[np.float64]) -> NDArray[np.int64]:
    places = np.clip(np.floor(values * BINS), 0, BINS - 1).astype(np.int64)
    return np.bincount(places, minlength=BINS).astype(np.int64)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - 8)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - 26)


def _frame(body: Sequence[str], names: Sequence[str], top: str) -> str:
    """Axes from 0 to 1 and 0 to `top`, and the legend."""
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-size="11" fill="currentColor">',
        f'<path d="M{_x(0)} {_y(1)}V{_y(0)}H{_x(1)}" fill="none" stroke="currentColor"/>',
        f'<text x="{_LEFT - 4}" y="{_y(0)}" text-anchor="end">0</text>',
        f'<text x="{_LEFT - 4}" y="{_y(1) + 8}" text-anchor="end">{top}</text>',
    ]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<text x="{_x(tick):.1f}" y="{_HEIGHT - 10}" text-anchor="middle">{tick:g}</text>')
    for number, name in enumerate(names):
        color, left = _COLORS[number], _LEFT + 8 + 100 * number
        parts.append(f'<rect x="{left}" y="6" width="10" height="10" fill="{color}"/>')
        parts.append(f'<text x="{left + 14}" y="15">{name}</text>')
    return "".join([*parts, *body, "</svg>"])


def _lines(series: dict[str, NDArray[np.float64] | None]) -> str:
    body = []
    for color, points in zip(_COLORS, series.values(), strict=False):
        if points is None:
            continue
        places = " ".join(
            f"{_x(n / (len(points) - 1)):.1f},{_y(float(value)):.1f}" for n, value in enumerate(points)
        )
        body.append(f'<polyline points="{places}" fill="none" stroke="{color}" stroke-width="2"/>')
    if not body:
        body.append(f'<text x="{_x(0.5):.1f}" y="{_y(0.5):.1f}" text-anchor="middle">no targets</text>')
    return _frame(body, list(series), "1")


def _bars(series: dict[str, NDArray[np.int64]], power: float = 1.0) -> str:
    """Bars on top of each other; with a power below 1, few can be seen beside many."""
    highest = max(1, int(np.sum(list(series.values()), axis=0).max()))
    body, below = [], np.zeros(BINS, dtype=np.int64)
    for color, counts in zip(_COLORS, series.values(), strict=False):
        for n, count in enumerate(counts):
            if count:
                y, foot = (_y((total / highest) ** power) for total in (below[n] + count, below[n]))
                place = f'x="{_x(n / BINS) + 1:.1f}" y="{y:.1f}" height="{foot - y:.1f}"'
                body.append(f'<rect {place} width="{_x(1 / BINS) - _x(0) - 2:.1f}" fill="{color}"/>')
        below = below + counts
    return _frame(body, list(series), str(highest))
