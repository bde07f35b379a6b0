"""Histograms of a service."""

from __future__ import annotations

from instructsam.serving.statistics import Histogram


def test_buckets_are_cumulative_and_include_their_bound() -> None:
    histogram = Histogram((1, 2, 4))
    for value in (1, 2, 3, 100):
        histogram.observe(value)
    assert histogram.cumulative() == [("1", 1), ("2", 2), ("4", 3), ("+Inf", 4)]
    assert histogram.total == 106
