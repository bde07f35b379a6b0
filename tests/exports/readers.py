"""Independent readers of the export formats: what is in an exported file or object, as labels and masks."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from instructsam.exports.label_studio_rle import decode_brush
from instructsam.structures.masks import decode_rle

Size = tuple[int, int]
Found = dict[str, list[tuple[str, NDArray[np.bool_]]]]
"""For each image, its instances in order: label and mask."""


def rasterise(rings: Sequence[NDArray[np.float64]], size: Size) -> NDArray[np.bool_]:
    """The pixels whose centre is inside, by the even-odd rule."""
    inside = np.zeros(size, dtype=np.bool_)
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    for ring in rings:
        for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y1 != y2:
                crosses = (y1 <= y) != (y2 <= y)
                inside ^= crosses & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def read_coco(path: Path, size: Size) -> Found:
    """A dataset file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {row["id"]: row["name"] for row in content["categories"]}
    files = {row["id"]: row["file_name"] for row in content["images"]}
    found: Found = {name: [] for name in files.values()}
    for row in content["annotations"]:
        mask = decode_rle(row["segmentation"])
        found[files[row["image_id"]]].append((names[row["category_id"]], mask))
    return found


def read_yolo(path: Path, size: Size) -> Found:
    """Text files of rings."""
    names = yaml.safe_load((path / "data.yaml").read_text(encoding="utf-8"))["names"]
    found: Found = {}
    for image in sorted((path / "images").iterdir()):
        lines = (path / "labels" / f"{image.stem}.txt").read_text().splitlines()
        rows = [line.split() for line in lines]
        rings = [np.array(row[1:], dtype=float).reshape(-1, 2) * size[::-1] for row in rows]
        masks = [rasterise([ring.round()], size) for ring in rings]  # corners of pixels are whole numbers
        found[image.name] = [(names[int(row[0])], mask) for row, mask in zip(rows, masks, strict=True)]
    return found


def read_png(path: Path, size: Size) -> Found:
    """Masks of instances with a legend."""
    legend = json.loads((path / "legend.json").read_text(encoding="utf-8"))
    return {
        image["name"]: [
            (one["label"], np.asarray(Image.open(path / one["mask"])) > 0) for one in image["instances"]
        ]
        for image in legend["images"]
    }


def read_geojson(path: Path, size: Size) -> Found:
    """Features; images without any are not in the file."""
    found: Found = {}
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        geometry, about = feature["geometry"], feature["properties"]
        if geometry is not None:
            parts = geometry["coordinates"]
            rings = parts if geometry["type"] == "Polygon" else [ring for part in parts for ring in part]
            mask = rasterise([np.array(ring[:-1]) for ring in rings], size)
            found.setdefault(about["image"], []).append((about["label"], mask))
    return found


def read_label_studio(path: Path, size: Size) -> Found:
    """Tasks with brush masks."""
    found: Found = {}
    for task in json.loads(path.read_text(encoding="utf-8")):
        name = task["data"]["image"].partition("?d=")[2]
        regions = task["predictions"][0]["result"]
        values = [region["value"] for region in regions]
        found[name] = [(value["brushlabels"][0], decode_brush(value["rle"], size)) for value in values]
    return found


def read_cvat(path: Path, size: Size) -> Found:
    """Run lengths of boxes."""
    found: Found = {}
    for image in ElementTree.parse(path).getroot().iter("image"):
        masks = found.setdefault(image.attrib["name"], [])
        for element in image.iter("mask"):
            left, top, width, height = (
                int(element.attrib[key]) for key in ("left", "top", "width", "height")
            )
            runs = [int(run) for run in element.attrib["rle"].split(",")]
            flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
            mask = np.zeros(size, dtype=np.bool_)
            mask[top : top + height, left : left + width] = flat.reshape(height, width)
            masks.append((element.attrib["label"], mask))
    return found


def read_labelme(path: Path, size: Size) -> Found:
    """Shapes of masks; `found` is by the name of the image."""
    found: Found = {}
    for file in sorted(path.glob("*.json")):
        if file.name.startswith("."):
            continue
        content = json.loads(file.read_text(encoding="utf-8"))
        masks = found.setdefault(content["imagePath"], [])
        for shape in content["shapes"]:
            (left, top), (right, bottom) = shape["points"]
            mask = np.zeros(size, dtype=np.bool_)
            cut = Image.open(io.BytesIO(base64.b64decode(shape["mask"])))
            mask[top : bottom + 1, left : right + 1] = np.asarray(cut) > 0
            masks.append((shape["label"], mask))
    return found


def read_hugging_face(path: Path, size: Size) -> Found:
    """Parquet files, with the class names in their metadata."""
    from pyarrow import parquet

    table = parquet.read_table(path / "data")
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    names = features["objects"]["feature"]["category"]["names"]
    return {
        row["image_id"]: [
            (names[thing["category"]], decode_rle(thing["segmentation"])) for thing in row["objects"]
        ]
        for row in table.to_pylist()
    }


def read_supervision(detections: Sequence[Any], size: Size) -> Iterator[list[tuple[str, NDArray[np.bool_]]]]:
    """`Detections` of each image."""
    for found in detections:
        yield list(zip(found.data["class_name"].tolist(), found.mask, strict=True))


def read_fiftyone(samples: Sequence[Any], size: Size) -> Iterator[list[tuple[str, NDArray[np.bool_]]]]:
    """Detections of each sample, their masks put into their boxes."""
    for sample in samples:
        masks = []
        for detection in sample.predictions.detections:
            mask = np.zeros(size, dtype=np.bool_)
            if detection.mask is not None:
                x, y, width, height = np.array(detection.bounding_box) * (*size[::-1], *size[::-1])
                rows = slice(round(y), round(y + height))
                mask[rows, round(x) : round(x + width)] = detection.mask
            masks.append((detection.label, mask))
        yield masks


READERS: dict[str, tuple[dict[str, Any], Callable[[Path, Size], Found]]] = {
    "coco": ({}, read_coco),
    "yolo": ({"tolerance": 0}, read_yolo),
    "png": ({"content": "masks"}, read_png),
    "geojson": ({"tolerance": 0}, read_geojson),
    "label_studio": ({}, read_label_studio),
    "cvat": ({}, read_cvat),
    "labelme": ({"coding": "mask"}, read_labelme),
    "hugging_face": ({}, read_hugging_face),
}
"""The exact options of each format that is written, and its reader."""
