"""Pictures whose pixels are labels, such as 16-bit PNG files of instances, as run-length codes by label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructsam.data.formats.outlines import Code
from instructsam.errors import ImageError, RecordError
from instructsam.images.formats import open_header
from instructsam.images.limits import BROKEN_PICTURE, damaged
from instructsam.structures.files import reason
from instructsam.structures.masks import coco_code, text_code

_MODES = ("I;16", "I;16B", "I", "L", "P")  # one label per pixel


def read_label_map(path: Path) -> NDArray[np.int32]:
    """int32 [H, W], the labels of a picture.

    Raises:
        RecordError: it is missing, damaged, or has colours instead of labels.
    """
    try:
        with path.open("rb") as stream:
            opened = open_header(stream, str(path))
            mode = opened.mode
            labels = np.asarray(opened) if mode in _MODES else None
    except BROKEN_PICTURE as error:
        why = str(error) if isinstance(error, ImageError) else damaged(str(path), error)
        why = f"{path}: cannot be read ({reason(error)})" if isinstance(error, FileNotFoundError) else why
        raise RecordError(f"{why}; fetch the file again") from error
    if labels is None:
        raise RecordError(
            f"{path}: expected a picture of labels, one number per pixel, got one of mode {mode}"
        )
    return labels.astype(np.int32)


def label_codes(labels: NDArray[np.int32]) -> dict[int, Code]:
    """The run-length code of each label's pixels; no mask is allocated.

    Args:
        labels: [H, W].
    """
    height, width = labels.shape
    flat = labels.ravel(order="F")
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    ends = np.append(starts[1:], flat.size)
    order = np.argsort(flat[starts], kind="stable")
    names, first = np.unique(flat[starts][order], return_index=True)
    codes: dict[int, Code] = {}
    for name, group in zip(names.tolist(), np.split(order, first[1:]), strict=True):
        edges = np.stack([starts[group], ends[group]], axis=1).ravel()
        counts = np.diff(edges, prepend=0, append=flat.size)
        codes[name] = text_code(coco_code({"size": [height, width], "counts": counts.tolist()}))
    return codes
