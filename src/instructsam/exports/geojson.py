"""GeoJSON (RFC 7946): a feature per instance, in pixels, in longitude and latitude, or in the system of the image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.exports.georeference import WGS84, Georeference, read_georeference, to_wgs84
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions, Tolerance
from instructsam.exports.polygons import Polygon, mask_polygons
from instructsam.exports.writer import FileWriter

Place: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Points [N, 2] px -> coordinates [N, 2]."""

_PIXELS = "pixel"
_UNKNOWN = "unknown"
_DECIMALS = 9  # of degrees: 0.1 mm
_TURN = 360.0  # degrees
NO_FILE = "images are no longer there: their instances are in pixels"
NO_SYSTEM = 'images have a georeference without a reference system: their instances are in pixels; pass crs="EPSG:..."'
NO_PIXELS = "instances without pixels have no geometry"


class Options(ExportOptions):
    """Options of `geojson`.

    Attributes:
        tolerance: of the outlines, in px.
        coordinates: "pixel": x and y in the upright image, y downwards; "world": longitude and latitude; "source-crs":
            the reference system of the image; "auto": "world" where the georeference is known, else "pixel".
        crs: reference system of images that do not state theirs, such as "EPSG:32632".
    """

    tolerance: Tolerance = 1.0
    coordinates: Literal["auto", "pixel", "world", "source-crs"] = "auto"
    crs: str = ""


class CoordinateSystem:
    """Chooses the coordinates of each image; all images of a collection have one system.

    Args:
        options: of the export.
        note: is called with the text of a note.
    """

    def __init__(self, options: Options, note: Callable[[str], None] = lambda text: None) -> None:
        self.options, self.note = options, note
        self.name = ""
        """"pixel", or the reference system; empty before the first image."""

    def place(self, image: LabelledImage) -> Place:
        """From pixels of an image to coordinates.

        Raises:
            InputError: the image has no georeference and needs one, or its system is another than that before it.
        """
        found = self._georeference(image)
        crs = "" if found is None else found.crs or self.options.crs
        if found is not None and not crs and self.options.coordinates != "source-crs":
            if self.options.coordinates == "world":
                raise InputError(
                    f'{image.path}: expected a georeference with a reference system, got none: pass crs="EPSG:..."'
                )
            self.note(NO_SYSTEM)
            found = None
        if found is None:
            self._check(image, _PIXELS)
            return lambda points: points
        ground = found.to_ground
        if self.options.coordinates == "source-crs":
            self._check(image, crs or _UNKNOWN)
            return ground
        self._check(image, WGS84)
        return _to_degrees(ground, crs)

    def members(self) -> dict[str, Any]:
        """Members of the collection that name the system; "crs" for programs that read the older specification."""
        found: dict[str, Any] = {"coordinate_system": self.name or _PIXELS}
        authority, _, code = self.name.partition(":")
        if authority == "EPSG" and self.name != WGS84:
            found["crs"] = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{code}"}}
        return found

    def _georeference(self, image: LabelledImage) -> Georeference | None:
        wanted = self.options.coordinates
        if wanted == "pixel" or (wanted == "auto" and image.path is None):
            return None
        if wanted == "auto" and image.path is not None and not image.path.is_file():
            self.note(NO_FILE)
            return None
        found = None if image.path is None else read_georeference(image.path)
        if found is None and wanted != "auto":
            raise InputError(
                f"{image.name}: expected an image file with a georeference (GeoTIFF, or a world file beside it), got "
                'none: export with coordinates="pixel"'
            )
        return found

    def _check(self, image: LabelledImage, name: str) -> None:
        if self.name not in ("", name):
            raise InputError(
                f"{image.name}: expected coordinates in {self.name[:60]} as in the images before it, got {name[:60]}: "
                'export them apart, or with coordinates="pixel"'
            )
        self.name = name


class GeoJsonWriter(FileWriter):
    """Writes features one by one."""

    def __init__(self, path: Path, options: Options) -> None:
        super().__init__(path)
        self._system = CoordinateSystem(options, self._count)
        self._tolerance = options.tolerance
        self._separator = ""
        self._features = 0

    def _add(self, image: LabelledImage) -> None:
        place = self._system.place(image)
        self._count(NO_PIXELS, int((image.instances.areas == 0).sum()))
        for feature in _features(image, place, self._tolerance):
            self._begin()
            self._features += 1
            self._write(self._separator + _to_json({"type": "Feature", "id": self._features, **feature}))
            self._separator = ",\n"

    def _begin(self) -> None:
        if not self._separator:
            members = "".join(
                f"{_to_json(key)}: {_to_json(value)},\n" for key, value in self._system.members().items()
            )
            self._separator = f'{{"type": "FeatureCollection",\n{members}"features": [\n'

    def _finish(self) -> None:
        self._begin()
        self._write(("" if self._features else self._separator) + "\n]}\n")


def open_writer(path: Path, options: Options) -> GeoJsonWriter:
    """A writer of a feature collection."""
    return GeoJsonWriter(path, options)


def convert(images: Iterable[LabelledImage], options: Options) -> dict[str, Any]:
    """The feature collection of all images as a dict.

    Raises:
        InputError: the images have no common coordinate system.
        MissingExtraError: longitude and latitude need pyproj.
    """
    system = CoordinateSystem(options)
    features = [
        feature for image in images for feature in _features(image, system.place(image), options.tolerance)
    ]
    numbered = [
        {"type": "Feature", "id": number, **feature} for number, feature in enumerate(features, start=1)
    ]
    return {"type": "FeatureCollection", **system.members(), "features": numbered}


def _to_degrees(ground: Place, crs: str) -> Place:
    """Longitude and latitude; across the antimeridian, longitudes go on beyond 180 degrees instead of jumping."""

    first = to_wgs84(ground(np.zeros((1, 2))), crs)[0, 0]

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        found = to_wgs84(ground(points), crs).copy()
        found[:, 0] -= _TURN * np.round((found[:, 0] - first) / _TURN)
        return found

    return place


def _features(image: LabelledImage, place: Place, tolerance: float) -> Iterator[dict[str, Any]]:
    """The geometry and the properties of each instance."""
    found = image.instances
    columns = zip(found.masks, image.labels, image.instructions, found.scores, found.areas, strict=True)
    for number, (mask, label, instruction, score, area) in enumerate(columns, start=1):
        yield {
            "geometry": _geometry(mask_polygons(mask, tolerance), place),
            "properties": {
                "label": label,
                "instruction": instruction,
                "score": round(float(score), 6),
                "image": image.name,
                "instance": number,
                "area_px": int(area),
            },
        }


def _geometry(polygons: list[Polygon], place: Place) -> dict[str, Any] | None:
    """Outer rings anticlockwise in the coordinates written, holes clockwise; None for a feature without a place."""
    if not polygons:
        return None
    parts = [
        [_ring(polygon.outer, place, True), *(_ring(hole, place, False) for hole in polygon.holes)]
        for polygon in polygons
    ]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": parts[0]}
    return {"type": "MultiPolygon", "coordinates": parts}


def _ring(points: NDArray[np.float64], place: Place, anticlockwise: bool) -> list[list[float]]:
    """A closed ring."""
    found = place(points)
    following = np.roll(found, -1, axis=0)
    area = (found[:, 0] * following[:, 1] - following[:, 0] * found[:, 1]).sum()
    if (area > 0) != anticlockwise:
        found = found[::-1]
    rounded: list[list[float]] = np.round(np.concatenate((found, found[:1])), _DECIMALS).tolist()
    return rounded


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
