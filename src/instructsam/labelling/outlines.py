"""Outlines of instances as SVG paths, in px of the image, as fine as a thumbnail shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.exports.polygons import mask_polygons
from instructsam.structures.masks import decode_cropped


def outline_path(code: Mapping[str, Any], step: int = 1) -> str:
    """The `d` attribute of an SVG path (fill rule even-odd) along pixel edges; empty for an empty mask.

    Args:
        code: run-length code of the mask.
        step: px; of a large mask only every so many rows and columns are used.

    Raises:
        InputError: the code is malformed.
    """
    corner, mask = decode_cropped(code)
    if not mask.size:
        return ""
    rings = [ring for part in mask_polygons(mask[::step, ::step]) for ring in (part.outer, *part.holes)]
    return "".join(_ring((ring * step + corner).astype(np.int64)) for ring in rings)


def _ring(points: NDArray[np.int64]) -> str:
    """A ring of horizontal and vertical edges, with relative coordinates."""
    moves = np.diff(points, axis=0).tolist()
    edges = (f"h{x}" if x else f"v{y}" for x, y in moves)
    return f"M{points[0, 0]} {points[0, 1]}{''.join(edges)}z"
