"""The georeference of an image: from pixels to coordinates on the ground.

It stands in the tags of a GeoTIFF, or in a world file (.tfw, .jgw, .pgw, .wld) beside the image, whose reference system
may stand in a .prj file. Both describe the pixels as they are stored; here, pixels are those of the upright image.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError, MissingExtraError, first_line
from instructsam.exports.geokeys import reference_system
from instructsam.images.limits import BROKEN_PICTURE
from instructsam.images.loader import read_stored_size
from instructsam.images.tiff_layout import is_tiff, read_tags
from instructsam.structures.files import reason

Matrix: TypeAlias = NDArray[np.float64]
"""[3, 3]: x, y of the ground = matrix @ (column, row, 1)."""

WGS84 = "EPSG:4326"

_SCALE, _TIEPOINTS, _TRANSFORMATION = 33550, 33922, 34264
_KEYS, _KEY_TEXTS = 34735, 34737
_HALF_A_PIXEL = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
_WORLD_LINES = 6
_UPRIGHT_TO_STORED = {
    1: ((1, 0, 0), (0, 1, 0)),
    2: ((-1, 0, 1), (0, 1, 0)),
    3: ((-1, 0, 1), (0, -1, 1)),
    4: ((1, 0, 0), (0, -1, 1)),
    5: ((0, 1, 0), (1, 0, 0)),
    6: ((0, 1, 0), (-1, 0, 1)),
    7: ((0, -1, 1), (-1, 0, 1)),
    8: ((0, -1, 1), (1, 0, 0)),
}
"""For each EXIF orientation the rows of a matrix; its last column counts widths and heights of the stored image."""


@dataclass(frozen=True, eq=False)
class Georeference:
    """The place of an image on the ground.

    Attributes:
        matrix: of the corners of pixels in the upright image: (0, 0) is the outer corner of the first pixel.
        crs: reference system as "EPSG:32632" or as WKT; empty when unknown.
    """

    matrix: Matrix
    crs: str

    def to_ground(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points [N, 2] px as coordinates [N, 2] of the reference system: x (east or longitude) before y."""
        found: NDArray[np.float64] = points_xy @ self.matrix[:2, :2].T + self.matrix[:2, 2]
        return found


def read_georeference(path: Path) -> Georeference | None:
    """The georeference of an image file; None without one.

    Raises:
        InputError: the file cannot be read, or its georeference is damaged or no affine transformation.
    """
    found = _of_tags(path) or _of_world_file(path)
    if found is None:
        return None
    (width, height), orientation = read_stored_size(path)
    rows = np.array(
        [*_UPRIGHT_TO_STORED.get(orientation, _UPRIGHT_TO_STORED[1]), (0, 0, 1)], dtype=np.float64
    )
    rows[:2, 2] *= (width, height)
    return Georeference(found.matrix @ rows, found.crs)


def to_wgs84(points_xy: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """Coordinates [N, 2] of a reference system as longitude and latitude in degrees.

    Raises:
        MissingExtraError: pyproj is not installed, and the coordinates are of another system.
        InputError: the system is unknown, or a point lies outside of it.
    """
    if crs == WGS84 or not len(points_xy):
        return points_xy
    longitudes, latitudes = _transformer(crs).transform(points_xy[:, 0], points_xy[:, 1])
    found = np.stack([longitudes, latitudes], axis=1)
    if not np.isfinite(found).all():
        raise InputError(
            f"expected coordinates inside {crs[:60]}, got {points_xy[0].tolist()}: check the georeference"
        )
    return found


@lru_cache(maxsize=8)
def _transformer(crs: str) -> Any:
    try:
        import pyproj
    except ImportError as error:
        raise MissingExtraError(
            f"longitude and latitude of an image in {crs[:60]} need pyproj: pip install 'instructsam[geo]', or export "
            'with coordinates="source-crs" or "pixel"'
        ) from error
    try:
        return pyproj.Transformer.from_crs(crs, WGS84, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise InputError(
            f'expected a reference system such as "EPSG:32632", got {crs[:60]!r} ({first_line(error)})'
        ) from error


def _of_tags(path: Path) -> Georeference | None:
    """The georeference in the tags of a TIFF, of stored pixels."""
    try:
        with path.open("rb") as stream:
            if not is_tiff(stream.read(4)):
                return None
            tags = read_tags(stream, {_SCALE, _TIEPOINTS, _TRANSFORMATION, _KEYS, _KEY_TEXTS})[1]
    except BROKEN_PICTURE as error:
        raise InputError(f"{path}: the georeference cannot be read ({reason(error)})") from error
    matrix = _matrix_of_tags(
        path, *(np.asarray(tags.get(tag, ())) for tag in (_SCALE, _TIEPOINTS, _TRANSFORMATION))
    )
    if matrix is None:
        return None
    texts = tags.get(_KEY_TEXTS, b"")
    crs, is_point = reference_system(tags.get(_KEYS, ()), texts if isinstance(texts, bytes) else b"")
    return Georeference(matrix @ _HALF_A_PIXEL if is_point else matrix, crs)


def _matrix_of_tags(
    path: Path,
    scale: NDArray[np.float64],
    tiepoints: NDArray[np.float64],
    transformation: NDArray[np.float64],
) -> Matrix | None:
    if len(scale) >= 2 and len(tiepoints) >= 6 and scale[:2].all():
        column, row, _, x, y = tiepoints[:5]
        across, down = scale[0], -abs(scale[1])
        matrix = np.array([[across, 0, x - column * across], [0, down, y - row * down], [0, 0, 1]])
    elif len(transformation) >= 16:
        matrix = np.array([*(transformation[[0, 1, 3]], transformation[[4, 5, 7]]), (0, 0, 1)])
    elif len(tiepoints) > 6:
        raise InputError(
            f"{path}: expected a georeference that is an affine transformation, got {len(tiepoints) // 6} ground "
            'control points: rectify the image first (gdalwarp), or export with coordinates="pixel"'
        )
    else:
        return None
    return _checked(path, matrix)


def _of_world_file(path: Path) -> Georeference | None:
    """The georeference in a world file, of stored pixels; its origin is the centre of the first pixel."""
    world = _beside(path, _world_suffixes(path.suffix))
    if world is None:
        return None
    values = _text(world).split()
    try:
        across_x, across_y, down_x, down_y, x, y = map(float, values)
    except ValueError as error:
        raise InputError(
            f"{world}: expected a world file of {_WORLD_LINES} numbers, got {len(values)} words"
        ) from error
    matrix = np.array([[across_x, down_x, x], [across_y, down_y, y], [0, 0, 1]])
    projection = _beside(path, [".prj"])
    crs = "" if projection is None else _text(projection).strip()
    return Georeference(_checked(world, matrix) @ _HALF_A_PIXEL, crs)


def _checked(path: Path, matrix: Matrix) -> Matrix:
    if not np.isfinite(matrix).all() or np.linalg.det(matrix) == 0:
        raise InputError(f"{path}: expected a georeference that can be inverted, got {matrix[:2].tolist()}")
    return matrix


def _world_suffixes(suffix: str) -> list[str]:
    """.tif: .tfw, .tifw, .wld"""
    letters = suffix[1:].lower()
    return [*([f".{letters[0]}{letters[-1]}w", f".{letters}w"] if letters else []), ".wld"]


def _beside(path: Path, suffixes: list[str]) -> Path | None:
    names = [path.with_suffix(form) for suffix in suffixes for form in (suffix, suffix.upper())]
    return next((name for name in names if os.path.isfile(name)), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason(error)})") from error
