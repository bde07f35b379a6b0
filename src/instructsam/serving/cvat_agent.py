"""CVAT: a detection function for `cvat-cli function run-agent` and `cvat-cli task auto-annotate` (docs/cvat.md).

`cvat-cli` imports this module and calls `create` with the parameters of its options `-p NAME=TYPE:VALUE`. The packages
`cvat-sdk` and `cvat-cli` come with that program; nothing of them is imported before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.errors import InputError, MissingExtraError
from instructsam.exports.polygons import keyhole_ring, mask_polygons
from instructsam.labelling.classes import class_list
from instructsam.serving.cvat_models import LocalModel, Model, RemoteModel
from instructsam.structures.checks import check_choice, check_number

if TYPE_CHECKING:
    from PIL import Image

SHAPES = ("mask", "polygon")


def create(
    classes: str = "",
    labels: str = "",
    url: str = "",
    model: str = "",
    shape: str = "mask",
    tolerance: float = 1.0,
    api_key_file: str = "",
    device: str = "auto",
    dtype: str = "auto",
) -> Detector:
    """A detection function.

    Args:
        classes: file with the instruction of each label, as `instructsam label --classes` reads it.
        labels: names of further labels, separated by commas; each is its own instruction.
        url: of a running `instructsam serve`; without one the model runs in this process.
        model: name on the server; or folder or hub id, the shipped default when empty.
        shape: of the annotations, "mask" or "polygon".
        tolerance: of polygons, in px.
        api_key_file: file whose first line is the key of the server.
        device, dtype: of a model in this process.

    Raises:
        InputError: there is no label, or a parameter is invalid.
        MissingExtraError: cvat-sdk is not installed.
    """
    check_choice(shape, "shape", SHAPES)
    names = [name.strip() for name in labels.split(",") if name.strip()]
    if not names and not classes:
        raise InputError(
            "there is no label: give -p classes=str:FILE with lines `label: instruction`, or -p labels=str:mug,plate"
        )
    found = class_list(names, Path(classes) if classes else None)
    if not url and api_key_file:
        raise InputError("api_key_file is the key of a server: give url, too")
    source: Model = RemoteModel(url, model, api_key_file) if url else LocalModel(model, device, dtype)
    instructions = {entry.name: entry.instruction for entry in found.classes}
    return Detector(source, instructions, shape, check_number(tolerance, "tolerance", 0, 1000))


class Detector:
    """CVAT's protocol of a detection function.

    Attributes:
        spec: the labels, for CVAT; they match those of a task by name.
    """

    def __init__(self, model: Model, instructions: Mapping[str, str], shape: str, tolerance: float) -> None:
        """A function.

        Args:
            model: finds the instances.
            instructions: of each label.
            shape: "mask" or "polygon".
            tolerance: of polygons, in px.
        """
        self._sdk = _import_sdk()
        self._model, self._shape, self._tolerance = model, shape, tolerance
        self._instructions = dict(enumerate(instructions.values()))
        self.spec = self._sdk.DetectionFunctionSpec(
            labels=[
                self._sdk.label_spec(name, number, type=shape) for number, name in enumerate(instructions)
            ]
        )

    def detect(self, context: Any, image: Image.Image) -> list[Any]:
        """The annotations of one image.

        Args:
            context: `DetectionFunctionContext`: its threshold and its request for polygons are honoured.
            image: the frame.
        """
        texts = list(dict.fromkeys(self._instructions.values()))
        threshold = context.conf_threshold
        found = dict(zip(texts, self._model.find(image, texts, threshold), strict=True))
        polygons = self._shape == "polygon" or context.conv_mask_to_poly
        return list(self._annotations(found, 0.0 if threshold is None else threshold, polygons))

    def _annotations(self, found: Mapping[str, Any], threshold: float, polygons: bool) -> Iterator[Any]:
        from cvat_sdk.masks import encode_mask

        groups = 0
        for label, instruction in self._instructions.items():
            for mask, score in found[instruction]:
                if score < threshold or not mask.any():
                    continue
                if not polygons:
                    yield self._sdk.mask(label, encode_mask(mask))
                    continue
                rings = [keyhole_ring(part) for part in mask_polygons(mask, self._tolerance)]
                groups += len(rings) > 1
                grouped = {"group": groups} if len(rings) > 1 else {}
                for ring in rings:
                    yield self._sdk.polygon(label, ring.ravel().tolist(), **grouped)


def _import_sdk() -> Any:
    try:
        from cvat_sdk import auto_annotation
    except ImportError as error:
        raise MissingExtraError("CVAT's functions need cvat-sdk: pip install cvat-sdk cvat-cli") from error
    return auto_annotation
