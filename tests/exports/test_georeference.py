"""Georeferences: tags of GeoTIFFs, world files, orientations, and longitude and latitude."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from instructsam.errors import InputError, MissingExtraError
from instructsam.exports import georeference
from instructsam.exports.georeference import read_georeference, to_wgs84
from tests.exports.geotiffs import write_geotiff

SIZE = (40, 60)  # height, width
SCALE = (0.5, 0.5, 0)
TIEPOINT = (0, 0, 0, 500_000, 5_000_000, 0)
CORNERS = np.array([[0, 0], [60, 0], [60, 40], [0, 40]], dtype=np.float64)


def _ground(path: Path, points: np.ndarray = CORNERS) -> np.ndarray:
    found = read_georeference(path)
    assert found is not None
    return found.to_ground(points)


def test_scale_and_tiepoint(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", SIZE, scale=SCALE, tiepoints=(10, 4, 0, 500_005, 4_999_998, 0))
    found = read_georeference(path)
    assert found is not None
    assert found.crs == "EPSG:32632"
    assert _ground(path).tolist() == [
        [500_000, 5e6],
        [500_030, 5e6],
        [500_030, 4_999_980],
        [500_000, 4_999_980],
    ]


def test_the_origin_of_pixel_is_point_is_the_centre_of_the_first_pixel(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", SIZE, scale=SCALE, tiepoints=TIEPOINT, point=True)
    assert _ground(path, np.array([[0.5, 0.5]])).tolist() == [[500_000, 5e6]]


def test_a_rotated_transformation(tmp_path: Path) -> None:
    angle = math.radians(30)
    across = 2 * np.array([math.cos(angle), math.sin(angle)])
    down = 2 * np.array([math.sin(angle), -math.cos(angle)])
    matrix = (across[0], down[0], 0, 7, across[1], down[1], 0, 9, 0, 0, 0, 0, 0, 0, 0, 1)
    path = write_geotiff(tmp_path / "a.tif", SIZE, transformation=matrix)
    assert np.allclose(_ground(path), CORNERS[:, :1] * across + CORNERS[:, 1:] * down + (7, 9))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_every_orientation_points_at_the_same_ground(tmp_path: Path, orientation: int, suffix: str) -> None:
    """A bright pixel of the stored image stands on the same ground in the upright image."""
    path = tmp_path / f"a{suffix}"
    pixels = np.zeros(SIZE, dtype=np.uint8)
    pixels[8:16, 40:48] = 255
    image = Image.fromarray(pixels)
    if suffix == ".tif":
        write_geotiff(path, SIZE, scale=(1, 1, 0), tiepoints=(0, 0, 0, 0, 0, 0), orientation=orientation)
    else:
        exif = Image.Exif()
        exif[274] = orientation
        image.save(path, exif=exif, quality=95)
        (tmp_path / "a.jgw").write_text("1\n0\n0\n-1\n0.5\n-0.5\n")
    image.getexif()[274] = orientation
    upright = np.array(ImageOps.exif_transpose(image))
    rows, columns = np.nonzero(upright > 127)
    middle = np.array([[columns.mean() + 0.5, rows.mean() + 0.5]])
    assert _ground(path, middle).tolist() == [[44, -12]]


@pytest.mark.parametrize(
    ("image", "world"),
    [("a.tif", "a.tfw"), ("a.jpg", "a.jgw"), ("a.PNG", "a.pgw"), ("a.png", "a.WLD"), ("a.jpg", "a.jpgw")],
)
def test_a_world_file_and_its_reference_system(tmp_path: Path, image: str, world: str) -> None:
    Image.new("L", (60, 40)).save(tmp_path / image)
    (tmp_path / world).write_text("0.5\r\n0\r\n0\r\n-0.5\r\n500000.25\r\n4999999.75\r\n")
    (tmp_path / "a.prj").write_text("EPSG:32632")
    found = read_georeference(tmp_path / image)
    assert found is not None
    assert found.crs == "EPSG:32632"
    assert _ground(tmp_path / image)[2].tolist() == [500_030, 4_999_980]


def test_no_georeference(tmp_path: Path) -> None:
    Image.new("L", (60, 40)).save(tmp_path / "a.tif")
    assert read_georeference(tmp_path / "a.tif") is None


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    points = [*TIEPOINT, *(1, 1, 0, 1, 1, 0), *(2, 2, 0, 2, 2, 0)]
    path = write_geotiff(tmp_path / "a.tif", SIZE, tiepoints=points)
    with pytest.raises(InputError, match="3 ground control points"):
        read_georeference(path)
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(InputError, match="cannot be read"):
        read_georeference(path)
    Image.new("L", (60, 40)).save(tmp_path / "b.png")
    (tmp_path / "b.pgw").write_text("1 2 three")
    with pytest.raises(InputError, match="world file of 6 numbers, got 3 words"):
        read_georeference(tmp_path / "b.png")
    (tmp_path / "b.pgw").write_text("0 0 0 0 1 1")
    with pytest.raises(InputError, match="can be inverted"):
        read_georeference(tmp_path / "b.png")


def test_longitude_and_latitude() -> None:
    pytest.importorskip("pyproj")
    # 9 degrees east is the central meridian of zone 32; the northing of 45 degrees by rasterio.warp (PROJ 9.5.1).
    found = to_wgs84(np.array([[500_000.0, 4_982_950.400_2]]), "EPSG:32632")
    assert np.allclose(found, [[9, 45]], atol=1e-8)


def test_wgs84_needs_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    georeference._transformer.cache_clear()
    points = np.array([[9.0, 45.0]])
    assert to_wgs84(points, "EPSG:4326") is points
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[geo\]'"):
        to_wgs84(points, "EPSG:32632")


def test_an_unknown_reference_system() -> None:
    pytest.importorskip("pyproj")
    with pytest.raises(InputError, match='such as "EPSG:32632"'):
        to_wgs84(np.zeros((1, 2)), "EPSG:999999")
