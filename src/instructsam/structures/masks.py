"""Binary masks: COCO run-length encoding, area, box, IoU. Numpy and pycocotools.

Shapes: N, M masks; H, W pixels. Many masks that stay encoded: `RleMasks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from instructsam.errors import InputError
from instructsam.structures.rle_runs import MAX_PIXELS as MAX_PIXELS
from instructsam.structures.rle_runs import check_mask_size as check_mask_size
from instructsam.structures.rle_runs import checked_runs

MAX_STACK_PIXELS = 1 << 33
"""Largest accepted number of masks x height x width that are decoded together, a byte each."""


def encode_rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's compressed run-length code of one mask.

    Args:
        mask: bool [H, W].

    Returns:
        `{"size": [H, W], "counts": str}`.
    """
    array = np.asarray(mask)
    if array.dtype != np.bool_ or array.ndim != 2:
        raise InputError(f"mask must be bool (H, W), got {array.dtype} {array.shape}")
    return text_code(coco.encode(np.asfortranarray(array).view(np.uint8)))


def decode_rle(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask of a COCO run-length code, compressed (str or bytes) or plain (list of runs).

    Returns:
        bool [H, W].

    Raises:
        InputError: fields are missing or of a wrong type, the mask has more than `MAX_PIXELS` pixels, or the runs do
            not fill it. All of this is checked before the mask is allocated.
    """
    return _decode(*checked_runs(rle))


def _decode(height: int, width: int, runs: NDArray[np.int64]) -> NDArray[np.bool_]:
    values = (np.arange(runs.size) % 2).astype(np.bool_)
    return np.repeat(values, runs).reshape((height, width), order="F")


def decode_cropped(rle: Mapping[str, Any]) -> tuple[tuple[int, int], NDArray[np.bool_]]:
    """A mask cut to its box, without allocating the rest of it.

    Returns:
        (left, top) px of the box, and bool [h, w]; h = w = 0 for an empty mask.

    Raises:
        InputError: as `decode_rle`.
    """
    height, _, runs = checked_runs(rle)
    ends = np.cumsum(runs)
    starts, stops = ends[:-1:2][runs[1::2] > 0], ends[1::2][runs[1::2] > 0]  # of the runs of ones
    if not starts.size:
        return (0, 0), np.zeros((0, 0), dtype=np.bool_)
    left, right = int(starts[0]) // height, (int(stops[-1]) - 1) // height + 1
    first = left * height
    cuts = np.clip(ends, first, right * height)
    columns = _decode(height, right - left, np.diff(cuts, prepend=first))
    wraps = starts // height < (stops - 1) // height  # a run in two columns reaches the bottom and the top
    top = 0 if wraps.any() else int((starts % height).min())
    bottom = height if wraps.any() else int(((stops - 1) % height).max()) + 1
    return (left, top), columns[top:bottom]


def decode_rles(codes: Sequence[Mapping[str, Any]], size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    """The masks of N run-length codes of one size: bool [N, H, W], allocated once.

    Args:
        codes: as `decode_rle` takes them.
        size: (height, width) px.
        name: what the masks belong to, for messages.

    Raises:
        InputError: a code is malformed or of another size, or all together are too large or do not fit into memory.
    """
    height, width = size
    total = f"{name}: {len(codes)} masks of {height} x {width} pixels"
    if len(codes) * height * width > MAX_STACK_PIXELS:
        raise InputError(f"{total} exceed {MAX_STACK_PIXELS} pixels together: split the instruction")
    try:
        masks = np.empty((len(codes), width, height), dtype=np.bool_).transpose(0, 2, 1)
        for row, code in enumerate(codes):
            mask = decode_rle(code)
            if mask.shape != size:
                raise InputError(f"masks must have the size {size}, got {mask.shape}")
            masks[row] = mask
    except MemoryError as error:
        raise InputError(f"{total} do not fit into memory: use a machine with more, or split it") from error
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    return masks


def coco_code(rle: Mapping[str, Any]) -> dict[str, Any]:
    """A run-length code in the form that pycocotools takes, checked; no mask is allocated. Raises as `decode_rle`."""
    height, width, runs = checked_runs(rle)
    counts = rle["counts"]
    if isinstance(counts, list) or not runs[1:].all():
        plain = {"size": [height, width], "counts": _without_empty_runs(runs)}
        code: dict[str, Any] = coco.frPyObjects(plain, height, width)
        return code
    return {"size": [height, width], "counts": counts.encode("ascii") if isinstance(counts, str) else counts}


def _without_empty_runs(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same mask without empty runs but for the first: pycocotools takes two of them for the end of its masks."""
    filled = np.flatnonzero(runs)
    if not filled.size:
        return runs[:1]
    ones = filled % 2
    starts = np.concatenate(([0], np.flatnonzero(np.diff(ones)) + 1))
    merged = np.add.reduceat(runs[filled], starts)
    return np.concatenate(([0], merged)) if ones[0] else merged


def text_code(code: Mapping[str, Any]) -> dict[str, Any]:
    """A run-length code of pycocotools with text for bytes, as JSON holds it."""
    return {"size": [int(side) for side in code["size"]], "counts": code["counts"].decode("ascii")}


def rle_area(rle: Mapping[str, Any]) -> int:
    """Pixels of a run-length code's mask, without allocating the mask. Raises as `decode_rle`."""
    return int(checked_runs(rle)[2][1::2].sum())


def rle_box_xyxy(rle: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """The box around a run-length code's mask in pixels, without allocating the mask; zeros for an empty one.

    Raises as `decode_rle`.
    """
    left, top, width, height = (int(value) for value in coco.toBbox(coco_code(rle)))
    return left, top, left + width, top + height


def merge_rles(codes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The run-length code of the union of masks of one size, without allocating a mask.

    Raises:
        InputError: there is no code, the sizes differ, or as `decode_rle`.
    """
    checked = [coco_code(code) for code in codes]
    sizes = {tuple(code["size"]) for code in checked}
    if len(sizes) != 1:
        raise InputError(f"masks must have one size to be united, got {sorted(sizes)}")
    return text_code(coco.merge(checked))


def subtract_rle(rle: Mapping[str, Any], removed: Mapping[str, Any]) -> dict[str, Any]:
    """The run-length code of the pixels of one mask that are not in another. Raises as `merge_rles`."""
    mask, other = decode_rle(rle), decode_rle(removed)
    if mask.shape != other.shape:
        raise InputError(f"masks must have one size to be subtracted, got {mask.shape} and {other.shape}")
    return encode_rle(mask & ~other)


def shrink_masks(masks: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Masks [N, H, W] at a smaller (height, width), by the pixel at the centre of each new one.

    A mask that would lose its last pixel, such as a point, keeps one in its middle.
    """
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp)
        for new, old in zip(size, masks.shape[1:], strict=True)
    )
    small: NDArray[np.bool_] = masks[:, rows[:, None], columns]
    for number in np.flatnonzero(~small.any(axis=(1, 2))):
        places = np.argwhere(masks[number])
        if len(places):
            middle = places[np.abs(places - places.mean(axis=0)).sum(axis=1).argmin()] + 0.5
            y, x = (middle * size / masks.shape[1:]).astype(np.intp)
            small[number, y, x] = True
    return small


def mask_area(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels of each mask: bool [N, H, W] -> int64 [N]."""
    check_mask_stack(masks, "masks")
    # One call per mask: with an axis, numpy adds 64-bit integers instead of counting bytes: ten times slower.
    return np.array([np.count_nonzero(mask) for mask in masks], dtype=np.int64)


def mask_boxes_xyxy(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The tight box of each mask, in pixel edges.

    Args:
        masks: bool [N, H, W].

    Returns:
        float32 [N, 4], x1 y1 x2 y2 with exclusive right and bottom edges; zeros for an empty mask.
    """
    check_mask_stack(masks, "masks")
    count, height, width = masks.shape
    boxes = np.zeros((count, 4), dtype=np.float32)
    if masks.size == 0:
        return boxes
    columns: NDArray[np.bool_] = np.any(masks, axis=1)
    rows: NDArray[np.bool_] = np.any(masks, axis=2)
    boxes[:, 0] = columns.argmax(axis=1)
    boxes[:, 1] = rows.argmax(axis=1)
    boxes[:, 2] = width - columns[:, ::-1].argmax(axis=1)
    boxes[:, 3] = height - rows[:, ::-1].argmax(axis=1)
    boxes[~np.any(columns, axis=1)] = 0
    return boxes


def check_mask_stack(masks: NDArray[np.bool_], name: str) -> None:
    """Refuse what is not bool [N, H, W].

    Raises:
        InputError: the message starts with `name`.
    """
    array = np.asarray(masks)
    if array.dtype != np.bool_ or array.ndim != 3:
        raise InputError(f"{name} must be bool (N, H, W), got {array.dtype} {array.shape}")
