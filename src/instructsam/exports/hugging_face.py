"""Hugging Face data sets: a folder of Parquet files with a card, or a `datasets.Dataset`.

A row is an image with its objects and its instructions. `datasets.load_dataset` opens the folder, and
`instructsam train --data` trains on it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, StringConstraints

from instructsam.errors import InputError, MissingExtraError
from instructsam.exports.categories import Categories, Classes
from instructsam.exports.dataset_card import NAME as CARD
from instructsam.exports.hugging_face_card import Contents, write_card
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import ExportOptions
from instructsam.exports.parquet_shards import ParquetShards, import_pyarrow
from instructsam.exports.writer import FolderWriter
from instructsam.images.loader import read_size_of_bytes
from instructsam.structures.files import reason, write_text
from instructsam.structures.masks import encode_rle

_EXTRA = "data"


class Options(ExportOptions):
    """Options of `hugging_face`.

    Attributes:
        split: of the data set.
        masks: "rle": COCO's run-length codes; "png": images.
        name: of the data set, in its card.
        licence: of the images, in its card.
        classes: class names in order; None takes the labels in the order in which they appear.
        shard_rows: most images in a file; a file is also full at 500 MB.
    """

    split: Annotated[str, StringConstraints(pattern=r"^\w+(\.\w+)*$", max_length=100)] = "train"
    masks: Literal["rle", "png"] = "rle"
    name: str = "Instances segmented by InstructSAM"
    licence: str = ""
    classes: Classes = None
    shard_rows: Annotated[int, Field(ge=1)] = 10_000


class HuggingFaceWriter(FolderWriter):
    """Writes Parquet files row by row, and the card when all is known."""

    def __init__(self, path: Path, options: Options) -> None:
        self._arrow = import_pyarrow(_EXTRA)
        super().__init__(path, "hugging_face")
        self._options = options
        self._contents = Contents(Categories(options.classes))
        schema = _schema(self._arrow, options.masks)
        self._shards = ParquetShards(self._arrow, self._folder, options.split, schema, options.shard_rows)

    def _add(self, image: LabelledImage) -> None:
        self._filled(image)  # counts the others
        row = _row(image, self._options.masks, self._contents)
        self._shards.add(row, len(row["image"]["bytes"]))

    def _finish(self) -> None:
        features = {
            "info": {"features": _features(self._options.masks, list(self._contents.categories.numbers))}
        }
        schema = _schema(self._arrow, self._options.masks)
        self._shards.close(schema.with_metadata({"huggingface": json.dumps(features)}))
        options = self._options
        write_text(
            self._folder / CARD, write_card(self._contents, options.split, options.name, options.licence)
        )

    def _discard(self) -> None:
        self._shards.abandon()
        super()._discard()


def open_writer(path: Path, options: Options) -> HuggingFaceWriter:
    """A writer of a data set folder.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    return HuggingFaceWriter(path, options)


def convert(images: Iterable[LabelledImage], options: Options) -> Any:
    """A `datasets.Dataset` in memory.

    Raises:
        MissingExtraError: datasets is not installed.
        InputError: the pixels of an image cannot be read.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError(f"datasets is not installed: pip install 'instructsam[{_EXTRA}]'") from error
    contents = Contents(Categories(options.classes))
    rows = [_row(image, options.masks, contents) for image in images]
    features = datasets.Features.from_dict(_features(options.masks, list(contents.categories.numbers)))
    return datasets.Dataset.from_list(rows, features=features, split=datasets.NamedSplit(options.split))


def _row(image: LabelledImage, masks: Literal["rle", "png"], contents: Contents) -> dict[str, Any]:
    contents.add(image)
    content, name = _content(image)
    kept = np.flatnonzero(image.instances.areas)
    return {
        "image": {"bytes": content, "path": name},
        "image_id": image.name,
        "height": image.size[0],
        "width": image.size[1],
        "objects": [_object(image, index, masks, contents) for index in kept.tolist()],
        "instructions": list(_instructions(image, np.cumsum(image.instances.areas > 0) - 1)),
    }


def _content(image: LabelledImage) -> tuple[bytes, str]:
    """The file of an image, or its pixels as PNG."""
    if image.path is None or (image.image is not None and not image.path.is_file()):
        return _png(image.pixels()), image.name.rpartition("/")[2]
    try:
        content = image.path.read_bytes()
    except OSError as error:
        raise InputError(f"{image.path}: the image cannot be read ({reason(error)})") from error
    if read_size_of_bytes(content, str(image.path)) != image.size:
        image.pixels()
    return content, PurePosixPath(image.name).name


def _object(
    image: LabelledImage, index: int, masks: Literal["rle", "png"], contents: Contents
) -> dict[str, Any]:
    found = image.instances
    mask = found.masks[index]
    shape = {"segmentation": encode_rle(mask)} if masks == "rle" else {"mask": _mask_image(mask)}
    return {
        "bbox": [float(value) for value in found.boxes_xywh[index]],
        **shape,
        "category": contents.categories[image.labels[index]],
        "score": float(found.scores[index]),
    }


def _instructions(image: LabelledImage, positions: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """The instructions with their phrases; `objects` are positions in the row's objects.

    Args:
        image: with its predictions.
        positions: [N] of each instance in the row, where it has pixels.
    """
    start = 0
    for number, prediction in enumerate(image.predictions):
        found = prediction.instances
        places = positions[start : start + len(found)]
        start += len(found)
        filled = found.areas > 0
        yield {
            "id": f"{image.name}/{number}",
            "instruction": prediction.instruction,
            "phrases": [
                {"text": phrase, "objects": places[filled & (found.phrase_ids == index)].tolist()}
                for index, phrase in enumerate(prediction.phrases)
            ],
            "status": prediction.status,
        }


def _mask_image(mask: NDArray[np.bool_]) -> dict[str, Any]:
    return {"bytes": _png(Image.fromarray(mask)), "path": None}


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def _schema(arrow: Any, masks: Literal["rle", "png"]) -> Any:
    text, whole = arrow.string(), arrow.int32()
    picture = arrow.struct({"bytes": arrow.binary(), "path": text})
    code = arrow.struct({"size": arrow.list_(whole), "counts": text})
    shape = {"segmentation": code} if masks == "rle" else {"mask": picture}
    score = {"category": arrow.int64(), "score": arrow.float32()}
    thing = arrow.struct({"bbox": arrow.list_(arrow.float64()), **shape, **score})
    phrase = arrow.struct({"text": text, "objects": arrow.list_(whole)})
    instruction = arrow.struct(
        {"id": text, "instruction": text, "phrases": arrow.list_(phrase), "status": text}
    )
    sides = {"image_id": text, "height": whole, "width": whole}
    return arrow.schema(
        {"image": picture, **sides, "objects": arrow.list_(thing), "instructions": arrow.list_(instruction)}
    )


def _features(masks: Literal["rle", "png"], classes: list[str]) -> dict[str, Any]:
    """The features as `datasets.Features.to_dict` gives them."""

    def value(kind: str) -> dict[str, Any]:
        return {"dtype": kind, "_type": "Value"}

    def several(feature: Any) -> dict[str, Any]:
        return {"feature": feature, "_type": "List"}

    text, whole, picture = value("string"), value("int32"), {"_type": "Image"}
    code = {"size": several(whole), "counts": text}
    shape = {"segmentation": code} if masks == "rle" else {"mask": picture}
    category = {"names": classes, "_type": "ClassLabel"}
    thing = {"bbox": several(value("float64")), **shape, "category": category, "score": value("float32")}
    phrase = {"text": text, "objects": several(whole)}
    instruction = {"id": text, "instruction": text, "phrases": several(phrase), "status": text}
    sides = {"image_id": text, "height": whole, "width": whole}
    return {"image": picture, **sides, "objects": several(thing), "instructions": several(instruction)}
