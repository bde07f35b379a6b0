"""The plot of an ablation: a group of bars per variant. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from instructsam.evaluation.metrics.registry import METRICS
from instructsam.evaluation.reports.plots import COLORS, new_axes, plot_style, to_svg
from instructsam.experiments.table import Row
from instructsam.structures.safe_text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEYS = ("giou", "set_giou", "ap", "n_acc")
_HEIGHT = 0.2  # of one bar; a group is 1 high
_GAP = 0.01  # between a bar and its number
_MAX_NAME = 40  # characters


def draw_table(title: str, rows: Sequence[Row]) -> str:
    """SVG: bars of gIoU, set gIoU, AP and N-acc from 0 to 1, with a line as long as ± the deviation.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with plot_style():
        from matplotlib.patches import Patch

        figure, axes = new_axes(7.0, 0.9 + 0.7 * len(rows))
        for number, (key, color) in enumerate(zip(KEYS, COLORS, strict=True)):
            for place, row in enumerate(rows):
                height = place + _HEIGHT * (number - (len(KEYS) - 1) / 2)
                _draw_bar(axes, height, row.mean.get(key), row.deviation.get(key), color)
        axes.set_xlim(0, 1.1)
        axes.set_yticks(range(len(rows)), [_name(row) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_title(one_line(title, 2 * _MAX_NAME))
        titles = [METRICS[key].title for key in KEYS]
        patches = [Patch(color=color) for color in COLORS]
        figure.legend(patches, titles, loc="outside lower center", ncols=len(KEYS), frameon=False)
        return to_svg(figure, title)


def _draw_bar(axes: Axes, height: float, mean: float | None, deviation: float | None, color: str) -> None:
    if mean is not None:
        axes.barh(height, mean, _HEIGHT, color=color, xerr=deviation)
        axes.text(mean + (deviation or 0.0) + _GAP, height, f"{mean:.3f}", va="center", fontsize=7)


def _name(row: Row) -> str:
    seeds = len(row.seeds)
    return f"{one_line(row.variant, _MAX_NAME)} ({seeds} seed{'' if seeds == 1 else 's'})"
