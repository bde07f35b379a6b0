"""ReasonSeg (LISA, arXiv 2308.00692) in both forms: the original LabelMe-like JSON beside each picture, and the list.

In the original form shapes are drawn from the largest to the smallest, later ones on top; those whose label holds
"ignore" are pixels that no score counts, those labelled "flag" are meaningless. LISA's own evaluation uses the first
wording only, truncates the coordinates of corners, and reads files that are not UTF-8 text as cp1252. Outlines are
drawn by Pillow here and by OpenCV there: single pixels on an outline may differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructsam.data.formats.outlines import (
    DAMAGED,
    Code,
    DamagedMaskError,
    has_pixels,
    instance_of,
    mask_of,
)
from instructsam.data.formats.shapes import UNKNOWN_AREA, UnknownAreaError, draw_labels, outlined
from instructsam.data.formats.source import (
    Node,
    Tally,
    files_in,
    inside,
    joined,
    read_json,
    sized_image,
)
from instructsam.data.record import ImageRef, PhraseRecord, Record
from instructsam.errors import ImageError, RecordError
from instructsam.images.loader import read_size
from instructsam.structures.file_names import find_file
from instructsam.structures.masks import encode_rle, subtract_rle

WORDINGS = "further wordings of an instruction (the published evaluation asks the first)"
FLAGS = "shapes labelled 'flag', which mean nothing"
NO_OUTLINE = "files without an outline of a target"
NO_PIXEL = "instructions whose target has no pixel, or none outside the ignored regions"
ONLY_IGNORED = "instructions whose only region is an ignored one"
ODD_NAME = "files whose name is not UTF-8 text"
_TARGET, _IGNORED = 1, 2


def read_reasonseg_folder(folder: Path, root: Path, tally: Tally) -> Iterator[Record]:
    """The original form: NAME.json beside NAME.jpg, {shapes: [{label, points}], text: [...], is_sentence}."""
    for path in files_in(folder, ".json"):
        if not path.name.isprintable():
            tally.leave_out(ODD_NAME, example=repr(path.name))
            continue
        record = _file_record(path, root, tally)
        if record is not None:
            yield record


def reasonseg_images(folder: Path, root: Path) -> list[str]:
    """The pictures of the original form."""
    names = (path for path in files_in(folder, ".json") if path.name.isprintable())
    return [inside(root, find_file(path.parent, path.stem + ".jpg")) for path in names]


def _file_record(path: Path, root: Path, tally: Tally) -> Record | None:
    top = read_json(path, or_else="cp1252")
    picture = find_file(path.parent, path.stem + ".jpg")
    height, width = _picture_size(picture, top)
    texts = list(top["text"].items())
    if not texts:
        raise top["text"].wrong("at least one wording")
    text, sentence = texts[0].text(), top["is_sentence"].flag()
    tally.leave_out(WORDINGS, len(texts) - 1)
    try:
        drawn = _draw(top, height, width, tally)
    except UnknownAreaError as error:
        tally.leave_out(UNKNOWN_AREA, example=str(error))
        return None
    except DamagedMaskError as error:
        tally.leave_out(DAMAGED, example=str(error))
        return None
    if drawn is None:
        tally.leave_out(NO_OUTLINE, example=path.name)
        return None
    image = ImageRef(inside(root, picture), height, width)
    target, ignored = encode_rle(drawn == _TARGET), encode_rle(drawn == _IGNORED)
    return _record(path.stem, image, text, target, ignored, sentence, tally)


def _picture_size(path: Path, node: Node) -> tuple[int, int]:
    try:
        return read_size(path)
    except ImageError as error:
        raise RecordError(
            f"{node.at()}: its picture cannot be read: {error}; put the picture there"
        ) from error


def read_reasonseg_list(path: Path, images: str, tally: Tally) -> Iterator[Record]:
    """The published list: [{question, is_sentence, image, mask, ignore_mask}], maybe with id, height and width.

    Without a size, it is that of the run-length code; without an id, the index in the list is used. No target is a mask
    of null; with an ignored region but no mask it is not known whether there is a target.
    """
    for number, item in enumerate(read_json(path).items()):
        given = item.get("id")
        name = f"{path.stem}-{number}" if given is None else given.name()
        image = _listed_image(joined(images, item["image"].path()), item)
        question, sentence = item["question"].text(), item["is_sentence"].flag()
        try:
            target = mask_of(item["mask"], image, tally)
            ignored = mask_of(item.get("ignore_mask"), image, tally)
        except DamagedMaskError as error:
            tally.leave_out(DAMAGED, example=str(error))
            continue
        if item["mask"].value is not None:
            record = _record(name, image, question, target, ignored, sentence, tally)
            if record is not None:
                yield record
        elif has_pixels(ignored):
            tally.leave_out(ONLY_IGNORED)
        else:
            yield Record(name, image, question, (PhraseRecord(question, ()),))


def reasonseg_list_images(path: Path, images: str) -> list[str]:
    """The pictures of the published list."""
    return [joined(images, item["image"].path()) for item in read_json(path).items()]


def _listed_image(file: str, item: Node) -> ImageRef:
    code = item["mask"]
    if item.get("height") is not None or not isinstance(code.value, dict):
        return sized_image(file, item["height"], item["width"])
    sides = list(code["size"].items())
    if len(sides) != 2:
        raise code["size"].wrong("the picture's [height, width]")
    return sized_image(file, *sides)


def _record(
    name: str,
    image: ImageRef,
    text: str,
    target: Code | None,
    ignored: Code | None,
    sentence: bool,
    tally: Tally,
) -> Record | None:
    """ReasonSeg has one region per instruction; it is one instance here, even in several parts."""
    instance = None
    if target is not None:
        instance = instance_of(target if ignored is None else subtract_rle(target, ignored))
    if instance is None:
        tally.leave_out(NO_PIXEL)
        return None
    return Record(
        name,
        image,
        text,
        (PhraseRecord(text, (instance,)),),
        "sentence" if sentence else "phrase",
        ignore=ignored if has_pixels(ignored) else None,
    )


def _draw(top: Node, height: int, width: int, tally: Tally) -> NDArray[np.uint8] | None:
    """uint8 [H, W]: 0, 1 target, 2 ignored; None without an outline of a target."""
    shapes = []
    for shape in top["shapes"].items():
        label = shape["label"].text().lower()
        if label == "flag":
            tally.leave_out(FLAGS)
        elif (outline := outlined(shape, height, width, tally)) is not None:
            shapes.append((outline, _IGNORED if "ignore" in label else _TARGET))
    if all(label == _IGNORED for _, label in shapes):
        return None
    return draw_labels(shapes, height, width, top)
