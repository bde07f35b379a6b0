"""GeoTIFFs for tests, written by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, TiffImagePlugin

_DOUBLE, _SHORT = 12, 3
UTM_32N = 32632


def write_geotiff(
    path: Path,
    size: tuple[int, int],
    *,
    scale: Sequence[float] = (),
    tiepoints: Sequence[float] = (),
    transformation: Sequence[float] = (),
    epsg: int = UTM_32N,
    geographic: bool = False,
    point: bool = False,
    orientation: int = 1,
) -> Path:
    """Write a grey image of (height, width) px with these tags."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, values in ((33550, scale), (33922, tiepoints), (34264, transformation)):
        if values:
            tags[tag] = tuple(float(value) for value in values)
            tags.tagtype[tag] = _DOUBLE
    if epsg:
        keys = [
            (1024, 2 if geographic else 1),
            (1025, 2 if point else 1),
            (2048 if geographic else 3072, epsg),
        ]
        tags[34735] = (1, 1, 0, len(keys), *(value for key, code in keys for value in (key, 0, 1, code)))
        tags.tagtype[34735] = _SHORT
    tags[274] = orientation
    Image.fromarray(np.zeros(size, dtype=np.uint8)).save(path, format="TIFF", tiffinfo=tags)
    return path
