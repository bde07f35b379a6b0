"""ReasonSeg (LISA, arXiv 2308.00692) in both forms: the original LabelMe-like JSON beside each picture, and the list.

In the original form shapes are drawn from the largest to the smallest, later ones on top; those whose label holds
"ignore" are pixels that no score looks at, those labelled "flag" are meaningless. LISA's own evaluation asks the first
wording only, cuts the decimals of corners off, and reads files that are no UTF-8 text as cp1252. Outlines are drawn by
Pillow here and by OpenCV there: single pixels on an outline may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instructsam.data.formats.source import (
    Node,
    Tally,
    image_ref,
    image_size,
    inside,
    instance_of,
    is_number,
    mask_of,
    read_json,
)
from instructsam.data.record import ImageRef, PhraseRecord, Record
from instructsam.structures.masks import encode_rle

WORDINGS = "further wordings of an instruction (the published evaluation asks the first)"
FLAGS = "shapes labelled 'flag', which mean nothing"
NO_PIXEL = "pictures whose target is covered by ignored shapes"
_TARGET, _IGNORED = 1, 2


def read_reasonseg_folder(folder: Path, root: Path, tally: Tally) -> Iterator[Record]:
    """The original form: NAME.json beside NAME.jpg, {shapes: [{label, points}], text: [...], is_sentence}."""
    for path in sorted(folder.glob("*.json")):
        top = read_json(path, or_else="cp1252")
        picture = path.with_suffix(".jpg")
        height, width = image_size(picture, top)
        image = ImageRef(inside(root, picture), height, width)
        drawn = _draw(top, height, width, tally)
        texts = list(top["text"].items())
        if not texts:
            raise top["text"].wrong("at least one wording")
        tally.leave_out(WORDINGS, len(texts) - 1)
        sentence = top["is_sentence"].value
        found = _record(
            path.stem, image, texts[0].text(), drawn == _TARGET, drawn == _IGNORED, bool(sentence)
        )
        if found is None:
            tally.leave_out(NO_PIXEL)
        else:
            yield found


def read_reasonseg_list(path: Path, images: str, tally: Tally) -> Iterator[Record]:
    """The published list: [{question, is_sentence, image, mask, ignore_mask}], maybe with id, height and width.

    Without a size, it is that of the run-length code; without an id, the place in the list is one.
    """
    prefix = f"{images}/" if images else ""
    for number, item in enumerate(read_json(path).items()):
        given = item.get("id")
        name = f"{path.stem}-{number}" if given is None else given.name()
        image = _listed_image(prefix + item["image"].path(), item)
        target = mask_of(item["mask"], image.height, image.width)
        ignored = mask_of(item.get("ignore_mask"), image.height, image.width)
        nothing = np.zeros((image.height, image.width), dtype=np.bool_)
        ignored = nothing if ignored is None else ignored
        question = item["question"].text()
        if target is None:  # no target is said with null
            yield Record(name, image, question, (PhraseRecord(question, ()),))
            continue
        found = _record(name, image, question, target & ~ignored, ignored, bool(item["is_sentence"].value))
        if found is None:
            tally.leave_out(NO_PIXEL)
        else:
            yield found


def _listed_image(file: str, item: Node) -> ImageRef:
    code = item["mask"]
    if item.get("height") is not None or not isinstance(code.value, dict):
        return image_ref(file, item)
    sides = list(code["size"].items())
    if len(sides) != 2:
        raise code["size"].wrong("the picture's [height, width]")
    return ImageRef(file, sides[0].side(), sides[1].side())


def _record(
    name: str,
    image: ImageRef,
    text: str,
    target: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    sentence: bool,
) -> Record | None:
    """ReasonSeg knows one region per instruction; it is one instance here, whatever its parts are."""
    instance = instance_of(target)
    if instance is None:
        return None
    return Record(
        name,
        image,
        text,
        (PhraseRecord(text, (instance,)),),
        "sentence" if sentence else "phrase",
        ignore=encode_rle(ignored) if ignored.any() else None,
    )


def _draw(top: Node, height: int, width: int, tally: Tally) -> NDArray[np.uint8]:
    """uint8 [H, W]: 0, 1 target, 2 ignored."""
    shapes = []
    for shape in top["shapes"].items():
        label = shape["label"].text().lower()
        if label == "flag":
            tally.leave_out(FLAGS)
            continue
        corners = [_corner(point) for point in shape["points"].items()]
        if len(corners) < 2:
            raise shape["points"].wrong("at least two points [x, y]")
        canvas = Image.new("L", (width, height))
        ImageDraw.Draw(canvas).polygon(corners, fill=1, outline=1)
        shapes.append((np.asarray(canvas, dtype=np.bool_), _IGNORED if "ignore" in label else _TARGET))
    drawn = np.zeros((height, width), dtype=np.uint8)
    for mask, value in sorted(shapes, key=lambda pair: -int(pair[0].sum())):
        drawn[mask] = value
    return drawn


def _corner(point: Node) -> tuple[float, float]:
    value = point.value
    if not isinstance(value, list) or len(value) != 2 or not all(map(is_number, value)):
        raise point.wrong("a point [x, y]")
    return int(value[0]), int(value[1])
