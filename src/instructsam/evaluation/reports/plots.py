"""The plots of a report, drawn with matplotlib as SVG. Needs the extra `report`."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import MissingExtraError
from instructsam.evaluation.reports.curves import BINS, Curves
from instructsam.structures.safe_text import one_line
from instructsam.visualization.palette import SERIES, to_hex

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = tuple(to_hex(color) for color in SERIES)
_SIZE = (4.6, 2.8)  # inches
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "instructsam",  # the same picture is the same file
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@contextmanager
def plot_style() -> Iterator[None]:
    """Inside, figures are made and saved in the style of the reports.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingExtraError("plots need matplotlib: pip install 'instructsam[report]'") from error
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the viewer's fonts have more letters
        yield


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of this size in inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def to_svg(figure: Figure, title: str) -> str:
    """A figure as one SVG element without a date, with a title for screen readers."""
    stream = io.StringIO()
    facts = {"Title": one_line(title), **dict.fromkeys(("Creator", "Date", "Format", "Type"))}
    with plot_style():
        figure.savefig(stream, format="svg", metadata=facts)
    return re.sub(r"^.*?(?=<svg)", "", stream.getvalue(), count=1, flags=re.DOTALL)


def draw_curves(curves: Curves) -> list[tuple[str, Figure]]:
    """(caption, figure) of every plot of a report.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    ranked = {"right": curves.right, "wrong": curves.wrong}
    with plot_style():
        return [
            (
                "Precision over recall, all ranked predictions",
                _draw_lines({"IoU .50": curves.precision50, "IoU .75": curves.precision75}),
            ),
            (
                "Predictions by score, right or wrong at IoU .50; square root scale",
                _draw_bars(ranked, "score", "predictions", square_root=True),
            ),
            (
                "Instructions by IoU of the unions",
                _draw_bars({"instructions": curves.iou}, "IoU of the unions", "instructions"),
            ),
        ]


def _labelled_axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure, axes = new_axes(*_SIZE)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_xlim(0, 1)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    return figure, axes


def _draw_lines(series: Mapping[str, NDArray[np.float64] | None]) -> Figure:
    figure, axes = _labelled_axes("recall", "precision")
    axes.set_ylim(0, 1.02)
    for (name, points), color in zip(series.items(), COLORS, strict=False):
        if points is not None:
            axes.plot(np.linspace(0, 1, len(points)), points, color=color, linewidth=2, label=name)
    if axes.lines:
        axes.legend(frameon=False)
    else:
        axes.text(0.5, 0.5, "no targets", ha="center", va="center")
    return figure


def _draw_bars(
    series: Mapping[str, NDArray[np.int64]], x_label: str, y_label: str, square_root: bool = False
) -> Figure:
    """Stacked bars; on a square root scale, few can be seen beside many."""
    figure, axes = _labelled_axes(x_label, y_label)
    starts, below = np.arange(BINS) / BINS, np.zeros(BINS, dtype=np.int64)
    for (name, counts), color in zip(series.items(), COLORS, strict=False):
        axes.bar(starts, counts, 0.9 / BINS, below, align="edge", color=color, label=name)
        below = below + counts
    axes.set_ylim(0, max(1, int(below.max())) * 1.05)
    if square_root:
        axes.set_yscale("function", functions=(_square_root, np.square))
    if len(series) > 1:
        axes.legend(frameon=False)
    return figure


def _square_root(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.maximum(values, 0))
