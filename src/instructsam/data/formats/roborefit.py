"""RoboRefIt (VL-Grasp, arXiv 2308.00640): a list of {num, text, bbox, rgb_path, mask_path, scene, class} per split.

Paths are relative to the data set's folder and may be written with backslashes; masks are pictures, nonzero inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructsam.data.formats.outlines import instance_of
from instructsam.data.formats.source import Node, Tally, inside, read_json
from instructsam.data.record import ImageRef, PhraseRecord, Record
from instructsam.errors import ImageError, RecordError
from instructsam.images.loader import load_image
from instructsam.structures.file_names import find_file
from instructsam.structures.masks import encode_rle

EMPTY_MASK = "expressions whose mask picture is black"


def read_roborefit(path: Path, base: Path, root: Path, tally: Tally) -> Iterator[Record]:
    """Records of one split, those of one picture after one another.

    Args:
        path: such as final_dataset/testA/roborefit_testA.json.
        base: the folder that paths in the file start from.
        root: the data folder.
    """
    by_image: dict[str, list[tuple[int, Node]]] = {}
    for number, item in enumerate(read_json(path).items()):
        by_image.setdefault(_forward(item["rgb_path"]), []).append((number, item))
    for file, group in by_image.items():
        for number, item in group:
            mask = _read_mask(find_file(base, _forward(item["mask_path"])), item["mask_path"])
            kind = item.get("class")
            instance = instance_of(encode_rle(mask), kind.text() if kind is not None else "")
            if instance is None:
                tally.leave_out(EMPTY_MASK)
                continue
            text = item["text"].text()
            scene = item.get("scene")
            image = ImageRef(inside(root, base / file), *mask.shape)
            family = scene.name() if scene is not None else ""
            yield Record(f"{path.stem}-{number}", image, text, (PhraseRecord(text, (instance,)),), family)


def roborefit_images(path: Path, base: Path, root: Path) -> list[str]:
    """The pictures of one split."""
    return [inside(root, base / _forward(item["rgb_path"])) for item in read_json(path).items()]


def _forward(node: Node) -> str:
    slashed = Node(node.text().replace("\\", "/"), node.file, node, "(with forward slashes)")
    return slashed.path()


def _read_mask(path: Path, node: Node) -> NDArray[np.bool_]:
    try:
        picture = load_image(path).image
    except ImageError as error:
        raise RecordError(f"{node.at()}: the mask cannot be read: {error}; put the picture there") from error
    filled: NDArray[np.bool_] = np.any(np.asarray(picture), axis=2)
    return filled
