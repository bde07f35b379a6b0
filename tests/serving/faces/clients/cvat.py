"""Runs CVAT's own loader, checks and encoders on our function. Arguments: URL of a server, image file."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import cvat_sdk.auto_annotation as cvataa
import cvat_sdk.models as models
from cvat_cli._internal.common import FunctionLoader
from cvat_sdk.auto_annotation.driver import _AnnotationMapper, _DetectionFunctionContextImpl
from cvat_sdk.masks import decode_mask
from PIL import Image

url, path = sys.argv[1:]
classes = Path(path).with_name("classes.yaml")
classes.write_text("mug: the red mugs\nplate: plates\nabsent: nothing\n")
loader = FunctionLoader(
    "instructsam.serving.cvat_agent", None, {"url": url, "classes": str(classes), "tolerance": 0.0}
)
function = loader.load()
assert isinstance(function.spec, cvataa.DetectionFunctionSpec)
image = Image.open(path)
labels = [
    SimpleNamespace(id=100 + label.id, name=label.name, type=label.type, attributes=[], sublabels=[])
    for label in function.spec.labels
]


def run(kind: str, threshold: float | None, polygons: bool) -> list[models.LabeledShapeRequest]:
    for label in labels:
        label.type = kind
    mapper = _AnnotationMapper(
        logging.getLogger(),
        function.spec.labels,
        labels,
        allow_unmatched_labels=False,
        conv_mask_to_poly=polygons,
    )
    context = _DetectionFunctionContextImpl(
        frame_name="a.png", conf_threshold=threshold, conv_mask_to_poly=polygons
    )
    tags, shapes = mapper.validate_and_remap(function.detect(context, image), 5)
    assert not tags
    return shapes


masks = run("mask", None, False)
decoded = decode_mask(masks[0].points, image_width=image.width, image_height=image.height)
polygons = run("polygon", None, True)
print(
    json.dumps(
        {
            "labels": [shape.label_id for shape in masks],
            "frames": [shape.frame for shape in masks],
            "types": [shape.type.value for shape in masks + polygons],
            "area": int(decoded.sum()),
            "points": len(polygons[0].points),
            "confident": len(run("mask", 0.95, False)),
        }
    )
)
