"""The plot of an ablation shows the means of its table."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from instructsam.experiments import plot
from instructsam.experiments.table import gather
from tests.experiments.test_table import RUNS, VARIANTS


def test_a_bar_per_number_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    draw = plot.to_svg
    monkeypatch.setattr(
        plot, "to_svg", lambda figure, title: [figures.append(figure), draw(figure, title)][1]
    )
    svg = plot.draw_table("a < b", gather(VARIANTS, RUNS))
    assert svg.startswith("<svg")
    root = ElementTree.fromstring(svg)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "a < b"
    widths = sorted(bar.get_width() for bar in figures[0].axes[0].patches)  # type: ignore[attr-defined]
    assert widths == pytest.approx([0.25, 0.3, 0.5, 1.0]), (
        "three of method, one of causal; no bar for a missing AP"
    )
    names = [text for text in root.itertext() if "seed" in text]
    assert names == ["method (2 seeds)", "causal (1 seed)", "open (0 seeds)"]
