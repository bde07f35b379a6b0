"""Predictions as JSON: masks as run-length codes, polygons or PNG."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.exports.polygons import mask_polygons
from instructsam.structures.masks import encode_rle
from instructsam.structures.predictions import Prediction

MaskFormat: TypeAlias = Literal["rle", "polygon", "png"]


def prediction_json(
    prediction: Prediction, masks: MaskFormat = "rle", tolerance: float = 1.0, overlay: bool = False
) -> dict[str, Any]:
    """All fields of a prediction except the image, ready for JSON.

    Args:
        prediction: an answer.
        masks: how each instance's `mask` is written. "rle": COCO's compressed run-length code; "polygon": polygons of
            rings of [x, y] px, the outer ring first, then its holes, as in GeoJSON; "png": a data URI of a black and
            white PNG at the size of the image.
        tolerance: of polygons, px; 0 keeps every corner of a pixel.
        overlay: add `overlay`, a data URI of a PNG with the drawn instances.
    """
    rows = prediction.table()
    for row, mask in zip(rows, prediction.instances.masks, strict=True):
        row["mask"] = _MASKS[masks](mask, tolerance)
    height, width = prediction.original_size
    answer: dict[str, Any] = {
        "instruction": prediction.instruction,
        "status": prediction.status,
        "remark": prediction.remark,
        "text": prediction.text,
        "phrases": list(prediction.phrases),
        "mode": prediction.mode,
        "num_queries": prediction.num_queries,
        "notes": list(prediction.notes),
        "width": int(width),
        "height": int(height),
        "instances": rows,
    }
    if overlay:
        answer["overlay"] = data_uri(prediction.overlay())
    return answer


def data_uri(image: Image.Image) -> str:
    """A PNG of the image, as a data URI."""
    content = io.BytesIO()
    image.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _rle(mask: NDArray[np.bool_], tolerance: float) -> dict[str, Any]:
    return encode_rle(mask)


def _png(mask: NDArray[np.bool_], tolerance: float) -> str:
    return data_uri(Image.fromarray(mask))


def _polygons(mask: NDArray[np.bool_], tolerance: float) -> list[list[list[list[float]]]]:
    return [
        [ring.round(2).tolist() for ring in (polygon.outer, *polygon.holes)]
        for polygon in mask_polygons(mask, tolerance)
    ]


_MASKS: Mapping[str, Callable[[NDArray[np.bool_], float], Any]] = {
    "rle": _rle,
    "polygon": _polygons,
    "png": _png,
}
