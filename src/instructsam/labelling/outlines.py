"""Outlines of instances as SVG paths, in px of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.exports.polygons import mask_polygons
from instructsam.structures.masks import decode_cropped


def outline_path(code: Mapping[str, Any], tolerance: float) -> str:
    """The `d` attribute of an SVG path (fill rule even-odd) for a mask; empty for an empty mask.

    Args:
        code: run-length code of the mask.
        tolerance: largest distance in px from the exact outline.

    Raises:
        InputError: the code is malformed.
    """
    corner, mask = decode_cropped(code)
    if not mask.size:
        return ""
    rings = [ring for part in mask_polygons(mask, tolerance) for ring in (part.outer, *part.holes)]
    return "".join(_ring(ring + np.asarray(corner)) for ring in rings)


def _ring(points: NDArray[np.float64]) -> str:
    start, *rest = [f"{x:.0f} {y:.0f}" for x, y in points.tolist()]
    return f"M{start}L{' '.join(rest)}z" if rest else ""
