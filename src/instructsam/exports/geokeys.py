"""The keys of a GeoTIFF that name its reference system (OGC 19-008r4)."""

from __future__ import annotations

from collections.abc import Sequence

_MODEL_TYPE, _RASTER_TYPE = 1024, 1025
_GEOGRAPHIC, _PROJECTED = 2048, 3072
_CITATIONS = (3073, 2049, 1026)
_IS_GEOGRAPHIC, _IS_POINT = 2, 2
_TEXTS = 34737
_FIRST_CUSTOM = 32767  # codes from here on are not EPSG's
_ESRI = "ESRI PE String = "


def reference_system(directory: Sequence[float] | bytes, texts: bytes) -> tuple[str, bool]:
    """The reference system, and whether the origin of pixels is the centre of the first one (PixelIsPoint).

    Args:
        directory: tag 34735: a header of four numbers, then key, place, count and value or offset of each key.
        texts: tag 34737.

    Returns:
        "EPSG:32632", or WKT where the file has its own system in this form; empty when unknown.
    """
    values = [int(value) for value in directory]
    keys: dict[int, int] = {}
    citations: dict[int, str] = {}
    for at in range(4, len(values) - 3, 4):
        key, place, count, value = values[at : at + 4]
        if place == 0:
            keys[key] = value
        elif place == _TEXTS:
            citations[key] = texts[value : value + count].decode("utf-8", errors="replace").rstrip("|\0")
    is_point = keys.get(_RASTER_TYPE) == _IS_POINT
    code = keys.get(_GEOGRAPHIC if keys.get(_MODEL_TYPE) == _IS_GEOGRAPHIC else _PROJECTED, 0)
    if 0 < code < _FIRST_CUSTOM:
        return f"EPSG:{code}", is_point
    esri = next((citations[key] for key in _CITATIONS if citations.get(key, "").startswith(_ESRI)), "")
    return esri.removeprefix(_ESRI), is_point
