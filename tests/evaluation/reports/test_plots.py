"""Plots show the numbers of the curves, and are well-formed SVG."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from instructsam.errors import MissingExtraError
from instructsam.evaluation.reports.curves import Curves
from instructsam.evaluation.reports.plots import draw_curves, to_svg
from tests.evaluation.reports.test_curves import SCORES


def test_plots_show_the_numbers_of_the_curves() -> None:
    curves = Curves.of(SCORES)
    lines, ranked, iou = (figure.axes[0] for _, figure in draw_curves(curves))
    np.testing.assert_array_equal(lines.lines[0].get_ydata(), curves.precision50)
    np.testing.assert_array_equal(lines.lines[1].get_ydata(), curves.precision75)
    heights = [bar.get_height() for bar in ranked.patches]  # type: ignore[attr-defined]
    assert heights == [*curves.right, *curves.wrong]
    bottoms = [bar.get_y() for bar in ranked.patches]  # type: ignore[attr-defined]
    assert bottoms == [*np.zeros(20), *curves.right]
    assert [bar.get_height() for bar in iou.patches] == curves.iou.tolist()  # type: ignore[attr-defined]


@pytest.mark.parametrize("scores", [SCORES, [], SCORES[2:]])
def test_plots_are_well_formed_even_of_nothing(scores: list) -> None:  # type: ignore[type-arg]
    plots = draw_curves(Curves.of(scores))
    assert len(plots) == 3
    for caption, figure in plots:
        svg = to_svg(figure, caption)
        root = ElementTree.fromstring(svg)
        assert root.tag.endswith("svg")
        assert root.findtext("{http://www.w3.org/2000/svg}title") == caption
        assert "<script" not in svg
    texts = [text.get_text() for text in plots[0][1].axes[0].texts]
    assert texts == ([] if len(scores) == 3 else ["no targets"])


def test_the_same_numbers_are_the_same_file() -> None:
    first, second = (to_svg(draw_curves(Curves.of(SCORES))[2][1], "IoU") for _ in range(2))
    assert first == second


def test_a_missing_matplotlib_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        MissingExtraError, match=r"plots need matplotlib: pip install 'instructsam\[report\]'"
    ):
        draw_curves(Curves.of(SCORES))
