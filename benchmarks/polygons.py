"""Time of masks to polygons, beside OpenCV's contours where it is installed (`pip install opencv-python-headless`).

    python benchmarks/polygons.py
    python benchmarks/polygons.py --side 2000 --tolerance 2

Each mask is a disc with a hole. OpenCV's contours join the centres of border pixels, and its approxPolyDP may let
outlines cross; ours run along pixel edges and never cross.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.exports.polygons import mask_polygons


def discs(count: int, side: int) -> list[NDArray[np.bool_]]:
    """Discs of growing size with a hole of a tenth of the side."""
    y, x = np.mgrid[:side, :side] - side / 2
    hole = (x + side / 20) ** 2 + y**2 < (side / 20) ** 2
    return [(x**2 + y**2 < (side * (0.2 + 0.25 * number / count)) ** 2) & ~hole for number in range(count)]


def contours(cv2: Any, mask: NDArray[np.bool_], tolerance: float) -> list[Any]:
    """The polygons that a user of OpenCV would take."""
    found, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [cv2.approxPolyDP(ring, tolerance, True) for ring in found] if tolerance else list(found)


def seconds(make: Callable[[NDArray[np.bool_]], Any], masks: list[NDArray[np.bool_]]) -> float:
    """Processor time for all masks, the best of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        for mask in masks:
            make(mask)
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--masks", type=int, default=100)
    parser.add_argument("--side", type=int, default=1000, help="px")
    parser.add_argument("--tolerance", type=float, default=1.0, help="px")
    arguments = parser.parse_args()
    masks = discs(arguments.masks, arguments.side)
    print(f"{arguments.masks} masks of {arguments.side} x {arguments.side} px, seconds of one core")
    for tolerance in (0.0, arguments.tolerance):
        ours = seconds(partial(mask_polygons, tolerance=tolerance), masks)
        print(f"tolerance {tolerance:g}: {ours:.2f}", end="")
        if importlib.util.find_spec("cv2") is None:
            print()
            continue
        cv2 = importlib.import_module("cv2")
        cv2.setNumThreads(1)
        theirs = seconds(partial(contours, cv2, tolerance=tolerance), masks)
        print(f", OpenCV {theirs:.2f}, ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
