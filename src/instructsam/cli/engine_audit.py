"""`instructsam engine audit`: the quality of the engine's decisions, measured on drawn scenes."""

from __future__ import annotations


def audit() -> int:
    """Measure the precision and recall of accepted records on drawn scenes, whose answers are known."""
    return 0
