"""GeoJSON: rings, properties, coordinate systems, areas on the ground."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.exports import export
from tests.exports.geotiffs import write_geotiff
from tests.exports.made import HOSTILE_LABELS, prediction

SIZE = (100, 160)
SCALE = (0.5, 0.5, 0)
TIEPOINT = (0, 0, 0, 500_000, 5_000_000, 0)


def _field(hole: bool = False) -> np.ndarray:
    """A field of 100 x 60 px, maybe with a pond of 20 x 10 px, and a shed of 4 x 4 px apart from it."""
    mask = np.zeros((1, *SIZE), dtype=np.bool_)
    mask[0, 20:80, 30:130] = True
    if hole:
        mask[0, 40:50, 60:80] = False
        mask[0, 90:94, 10:14] = True
    return mask


def _area(ring: list[list[float]]) -> float:
    x, y = np.array(ring[:-1]).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _write(path: Path, *given: Any, **options: Any) -> dict[str, Any]:
    (written,) = export(given, "geojson", path / "found.geojson", **options)
    found: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    return found


def test_features_in_pixels(tmp_path: Path) -> None:
    given = prediction(_field(), ("wheat",), "all wheat", image_path="fields/a.png")
    found = _write(tmp_path, given)
    assert found == export([given], "geojson")
    assert found["coordinate_system"] == "pixel"
    assert "crs" not in found
    (feature,) = found["features"]
    assert feature["properties"] == {
        "label": "wheat",
        "instruction": "all wheat",
        "score": 0.9,
        "image": "fields/a.png",
        "instance": 1,
        "area_px": 6000,
    }
    assert feature["geometry"]["type"] == "Polygon"
    (ring,) = feature["geometry"]["coordinates"]
    assert sorted(ring[:-1]) == [[30, 20], [30, 80], [130, 20], [130, 80]]
    assert ring[0] == ring[-1]


@pytest.mark.parametrize("coordinates", ["pixel", "source-crs"])
def test_outer_rings_are_anticlockwise_and_holes_clockwise(tmp_path: Path, coordinates: str) -> None:
    path = write_geotiff(tmp_path / "a.tif", SIZE, scale=SCALE, tiepoints=TIEPOINT)
    given = prediction(_field(hole=True), image_path=str(path))
    geometry = _write(tmp_path, given, coordinates=coordinates)["features"][0]["geometry"]
    assert geometry["type"] == "MultiPolygon"
    unit = 1 if coordinates == "pixel" else 0.25
    assert [[_area(ring) / unit for ring in part] for part in geometry["coordinates"]] == [[6000, -200], [16]]


def test_the_area_of_a_field_on_the_ground(tmp_path: Path) -> None:
    pyproj = pytest.importorskip("pyproj")
    path = write_geotiff(tmp_path / "a.tif", SIZE, scale=SCALE, tiepoints=TIEPOINT)
    found = _write(tmp_path, prediction(_field(), image_path=str(path)))
    assert found["coordinate_system"] == "EPSG:4326"
    ((ring,),) = (feature["geometry"]["coordinates"] for feature in found["features"])
    longitudes, latitudes = zip(*ring, strict=True)
    area, _ = pyproj.Geod(ellps="WGS84").polygon_area_perimeter(longitudes, latitudes)
    assert area == pytest.approx(50 * 30 / 0.9996**2, rel=1e-5)  # 0.9996 is the scale of UTM at its meridian
    assert 8.9 < min(longitudes) < max(longitudes) < 9.1


def test_the_source_system_is_named(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", SIZE, scale=SCALE, tiepoints=TIEPOINT)
    found = _write(tmp_path, prediction(_field(), image_path=str(path)), coordinates="source-crs")
    assert found["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32632"
    (ring,) = found["features"][0]["geometry"]["coordinates"]
    assert sorted(ring)[0] == [500_015, 4_999_960]


def test_longitudes_go_on_across_the_antimeridian(tmp_path: Path) -> None:
    pytest.importorskip("pyproj")
    tiepoint = (80, 50, 0, -179.999_9, 10, 0)
    path = write_geotiff(
        tmp_path / "a.tif", SIZE, scale=(1e-5, 1e-5, 0), tiepoints=tiepoint, epsg=4326, geographic=True
    )
    (ring,) = _write(tmp_path, prediction(_field(), image_path=str(path)))["features"][0]["geometry"][
        "coordinates"
    ]
    assert max(x for x, _ in ring) - min(x for x, _ in ring) == pytest.approx(1e-3)
    projected = write_geotiff(
        tmp_path / "b.tif", SIZE, scale=(50, 50, 0), tiepoints=(80, 50, 0, 500_000, 0, 0), epsg=3832
    )
    (ring,) = _write(tmp_path, prediction(_field(), image_path=str(projected)))["features"][0]["geometry"][
        "coordinates"
    ]
    assert max(x for x, _ in ring) - min(x for x, _ in ring) < 1


def test_images_share_one_system(tmp_path: Path) -> None:
    path = write_geotiff(
        tmp_path / "a.tif", SIZE, scale=SCALE, tiepoints=TIEPOINT, epsg=4326, geographic=True
    )
    given = [prediction(_field(), image_path=str(path)), prediction(_field())]
    with pytest.raises(InputError, match=r"in EPSG:4326 as in the images before it, got pixel"):
        _write(tmp_path, *given)
    assert not (tmp_path / "found.geojson").exists()
    assert len(_write(tmp_path, *given, coordinates="pixel")["features"]) == 2


def test_a_georeference_is_needed_for_the_world(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", SIZE[::-1]).save(path)
    given = prediction(_field(), image_path=str(path))
    with pytest.raises(InputError, match='got none: export with coordinates="pixel"'):
        _write(tmp_path, given, coordinates="world")
    (tmp_path / "a.pgw").write_text("1 0 0 -1 9.5 45.5")
    with pytest.raises(InputError, match=r'pass crs="EPSG:\.\.\."'):
        _write(tmp_path, given, coordinates="world")
    assert _write(tmp_path, given)["coordinate_system"] == "pixel"
    assert _write(tmp_path, given, coordinates="source-crs")["coordinate_system"] == "unknown"
    assert _write(tmp_path, given, crs="EPSG:4326")["coordinate_system"] == "EPSG:4326"


def test_what_has_no_place_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = prediction(np.zeros((1, *SIZE), np.bool_), image_path="gone.tif")
    (feature,) = _write(tmp_path, given)["features"]
    assert feature["geometry"] is None
    assert "instances without pixels have no geometry (1)" in caplog.text
    assert "images are no longer there: their instances are in pixels (1)" in caplog.text


def test_hostile_labels_and_empty_collections(tmp_path: Path) -> None:
    labels = HOSTILE_LABELS
    given = prediction(len(labels), labels, phrase_ids=list(range(len(labels))))
    found = _write(tmp_path, given, prediction(0))
    assert tuple(feature["properties"]["label"] for feature in found["features"]) == labels
    assert _write(tmp_path, prediction(0))["features"] == []
    assert _write(tmp_path)["features"] == []
