"""Regions and labelling interfaces of Label Studio."""

from __future__ import annotations

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.exports.label_studio_interface import labelling_interface, local_file_url, prefixed_url
from instructsam.exports.label_studio_regions import (
    bitmask_value,
    brush_value,
    point_value,
    polygon_value,
    rectangle_value,
    region,
)
from instructsam.exports.label_studio_rle import decode_brush

SIZE = (40, 30)  # height, width: no multiple of 8


def test_a_brush_region_has_every_field_of_the_protocol() -> None:
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[3:9, 5:20] = True
    found = region(
        "brush",
        brush_value(mask),
        ["mug"],
        SIZE,
        control="tag",
        image="img",
        region_id="a",
        score=0.5,
        note="n",
    )
    code = found["value"].pop("rle")
    assert found == {
        "id": "a",
        "from_name": "tag",
        "to_name": "img",
        "type": "brushlabels",
        "original_width": 30,
        "original_height": 40,
        "image_rotation": 0,
        "score": 0.5,
        "meta": {"text": ["n"]},
        "value": {"format": "rle", "brushlabels": ["mug"]},
    }
    assert (decode_brush(code, SIZE) == mask).all()


@pytest.mark.parametrize("fill", ["none", "all", "random"])
def test_a_bitmask_is_black_on_a_transparent_background(fill: str) -> None:
    mask = np.full(SIZE, fill == "all")
    if fill == "random":
        mask = np.random.default_rng(0).random(SIZE) < 0.5
    head, _, data = bitmask_value(mask)["imageDataURL"].partition(",")
    assert head == "data:image/png;base64"
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    assert (pixels[..., :3] == 0).all()
    assert (pixels[..., 3] == mask * 255).all()


def test_lengths_are_percent_of_the_image() -> None:
    size = (100, 200)
    assert rectangle_value((20, 10, 60, 30), size) == {
        "x": 10,
        "y": 10,
        "width": 20,
        "height": 20,
        "rotation": 0,
    }
    assert polygon_value([[0, 0], [200, 0], [50, 100]], size)["points"] == [[0, 0], [100, 0], [25, 100]]
    assert point_value((50, 25), size) == {"x": 25, "y": 25, "width": 1.0}


def test_a_line_is_no_polygon() -> None:
    with pytest.raises(InputError, match="at least 3 points"):
        polygon_value([[0, 0], [1, 1]], SIZE)


def test_labels_of_an_interface_are_escaped() -> None:
    labels = ['a "quoted" <Label/>', "mug & cup"]
    view = ElementTree.fromstring(labelling_interface(labels, ["brush", "bitmask"], instruction=True))
    assert [tag.tag for tag in view] == ["Image", "TextArea", "BrushLabels", "BitmaskLabels"]
    assert [label.get("value") for label in view[2]] == labels
    assert view[0].get("smoothing") == "false"
    assert "smoothing" not in labelling_interface(labels, ["brush"])


def test_file_names_in_addresses_are_quoted() -> None:
    assert local_file_url("/shelf/", "a b?.jpg") == "/data/local-files/?d=shelf/a%20b%3F.jpg"
    assert prefixed_url("s3://shelf/", "a/b#.jpg") == "s3://shelf/a/b%23.jpg"
