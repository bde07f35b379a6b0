"""Binary masks: COCO run-length encoding, area, box, IoU. Numpy only.

Shapes: N, M masks; H, W pixels. Run-length encoding is COCO's compressed form (column-major runs, starting
with a run of zeros, each written as a difference to the one before the last in 5-bit groups); strings
are equal, byte for byte, to those of pycocotools, which is not needed here.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.structures.checks import describe

MAX_PIXELS = 178_956_970
"""Largest accepted height x width of a mask or picture: the point at which Pillow refuses by itself."""

MAX_STACK_PIXELS = 1 << 33
"""Largest accepted number of masks x height x width that are decoded together, a byte each."""

_GROUP_BITS = 5
_MAX_GROUPS = 13  # 64 bits in 5-bit groups
_GROUPS_PER_RUN = 6  # a run of MAX_PIXELS, or the difference of two, fits in 30 bits
_PIXEL_CHUNK = 1 << 20  # exact in float32, and keeps the product small


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
    height, width = array.shape
    flat = array.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    edges = np.concatenate(([0], changes, [flat.size]))
    runs = np.diff(edges).astype(np.int64)
    if flat.size and flat[0]:
        runs = np.concatenate(([0], runs))
    return _code(runs, int(height), int(width))


def decode_rle(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """The mask of a COCO run-length code, compressed (str or bytes) or plain (list of runs).

    Returns:
        bool [H, W].

    Raises:
        InputError: fields are missing or of a wrong type, the mask has more than `MAX_PIXELS` pixels, or the runs do
            not fill it. All of this is checked before the mask is allocated.
    """
    height, width, runs = _checked_runs(rle)
    values = (np.arange(runs.size) % 2).astype(np.bool_)
    return np.repeat(values, runs).reshape((height, width), order="F")


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


def rle_area(rle: Mapping[str, Any]) -> int:
    """Pixels of a run-length code's mask, without allocating the mask. Raises as `decode_rle`."""
    return int(_checked_runs(rle)[2][1::2].sum())


def rle_box_xyxy(rle: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """The box around a run-length code's mask in pixels, without allocating the mask; zeros for an empty one.

    Raises as `decode_rle`.
    """
    height, _, runs = _checked_runs(rle)
    starts, ends = _intervals(runs)
    if not starts.size:
        return 0, 0, 0, 0
    first, last = starts // height, (ends - 1) // height  # columns
    if (first != last).any():  # this run holds the last row of one column and the first row of the next
        top, bottom = 0, height
    else:
        top, bottom = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
    return int(first.min()), top, int(last.max()) + 1, bottom


def merge_rles(codes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The run-length code of the union of masks of one size, without allocating a mask.

    Raises:
        InputError: there is no code, the sizes differ, or as `decode_rle`.
    """
    checked = [_checked_runs(code) for code in codes]
    sizes = {(height, width) for height, width, _ in checked}
    if len(sizes) != 1:
        raise InputError(f"masks must have one size to be united, got {sorted(sizes)}")
    height, width = sizes.pop()
    return _code(_union([runs for _, _, runs in checked], height * width), height, width)


def subtract_rle(rle: Mapping[str, Any], removed: Mapping[str, Any]) -> dict[str, Any]:
    """The run-length code of the pixels of one mask that are not in another. Raises as `merge_rles`."""
    height, width, runs = _checked_runs(rle)
    *size, other = _checked_runs(removed)
    if size != [height, width]:
        raise InputError(f"masks must have one size to be subtracted, got {[height, width]} and {size}")
    rest = _union([_complement(runs), other], height * width)
    return _code(_complement(rest), height, width)


def _checked_runs(rle: Mapping[str, Any]) -> tuple[int, int, NDArray[np.int64]]:
    """Height, width and the runs, which are not negative and fill the mask exactly."""
    try:
        size, counts = rle["size"], rle["counts"]
    except (KeyError, TypeError, IndexError) as error:
        raise InputError("RLE must be {'size': [height, width], 'counts': text}") from error
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(map(_is_whole, size)):
        raise InputError(
            f"RLE must be {{'size': [height, width], 'counts': text}}, got the size {describe(size)}"
        )
    height, width = (int(side) for side in size)
    check_mask_size(height, width, "RLE size")
    pixels = height * width
    if isinstance(counts, list):
        runs = _listed_runs(counts, pixels)
    elif isinstance(counts, str | bytes):
        runs = _text_to_runs(counts, pixels)
    else:
        raise InputError(f"RLE counts must be text or a list of runs, got {type(counts).__name__}")
    fill = f"RLE runs must fill {height} x {width} = {pixels} pixels"
    if runs.size and (runs.min() < 0 or runs.max() > pixels):
        odd = runs.min() if runs.min() < 0 else runs.max()
        raise InputError(f"{fill}, got a run of {odd}")
    total = int(runs.sum())  # exact: there are far fewer than 2**63 / MAX_PIXELS runs, each at most `pixels`
    if total != pixels:
        raise InputError(f"{fill}, got {total}")
    return height, width, runs


def check_mask_size(height: int, width: int, name: str) -> None:
    """Refuse a size that is negative or has more than `MAX_PIXELS` pixels.

    Raises:
        InputError: the message starts with `name`.
    """
    if height < 0 or width < 0:
        raise InputError(f"{name} must not be negative, got {describe([height, width])}")
    if height * width > MAX_PIXELS:
        raise InputError(f"{name} must have at most {MAX_PIXELS} pixels, got {describe([height, width])}")


def _is_whole(value: object) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _listed_runs(counts: list[Any], pixels: int) -> NDArray[np.int64]:
    for number, count in enumerate(counts):
        if not _is_whole(count):
            raise InputError(f"RLE counts[{number}] must be a whole number, got {describe(count)}")
        if not -pixels <= count <= 2 * pixels:  # also keeps it within 64 bits
            raise InputError(f"RLE runs must fill {pixels} pixels, got a run of {describe(count)}")
    return np.array(counts, dtype=np.int64)


def _intervals(runs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the runs of ones start and end (exclusive), counted column by column; none is empty."""
    ends = np.cumsum(runs)[1::2]
    starts = ends - runs[1::2]
    filled = starts < ends
    return starts[filled], ends[filled]


def _union(masks: Sequence[NDArray[np.int64]], pixels: int) -> NDArray[np.int64]:
    """Runs of the union: without empty runs, but for the first."""
    pairs = [_intervals(runs) for runs in masks]
    starts = np.sort(np.concatenate([pair[0] for pair in pairs]))
    ends = np.sort(np.concatenate([pair[1] for pair in pairs]))
    if not starts.size:
        return np.array([pixels], dtype=np.int64)
    # Between two intervals as many have ended as have started, and the next starts behind the end.
    gap = starts[1:] > ends[:-1]
    edges = np.stack([starts[np.r_[True, gap]], ends[np.r_[gap, True]]], axis=1).ravel()
    runs = np.diff(np.concatenate(([0], edges, [pixels])))
    return runs[:-1] if runs[-1] == 0 else runs


def _complement(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    return runs[1:] if runs.size and runs[0] == 0 else np.concatenate(([0], runs))


def _code(runs: NDArray[np.int64], height: int, width: int) -> dict[str, Any]:
    return {"size": [height, width], "counts": _runs_to_text(runs)}


def _runs_to_text(runs: NDArray[np.int64]) -> str:
    deltas = runs.copy()
    deltas[3:] -= runs[1:-2]
    shifts = _GROUP_BITS * np.arange(_MAX_GROUPS)
    rest = deltas[:, None] >> shifts
    groups = rest & 31
    after = deltas[:, None] >> np.minimum(shifts + _GROUP_BITS, 63)
    more = np.where(groups & 16, after != -1, after != 0)
    emitted = np.ones_like(more)
    emitted[:, 1:] = np.logical_and.accumulate(more, axis=1)[:, :-1]
    codes = (groups | (more << _GROUP_BITS)) + 48
    return bytes(codes[emitted].astype(np.uint8)).decode("ascii")


def _text_to_runs(counts: str | bytes, pixels: int) -> NDArray[np.int64]:
    """The runs of compressed text; each is in range for a mask of `pixels` or the text is refused."""
    if len(counts) > _GROUPS_PER_RUN * (pixels + 2):
        raise InputError(f"RLE counts must fill {pixels} pixels, got text of {len(counts)} characters")
    try:
        raw = counts.encode("ascii") if isinstance(counts, str) else counts
    except UnicodeEncodeError as error:
        raise InputError("RLE counts hold a character outside COCO's alphabet ('0' to 'o')") from error
    codes = np.frombuffer(raw, dtype=np.uint8).astype(np.int64) - 48
    if ((codes < 0) | (codes > 63)).any():
        raise InputError("RLE counts hold a character outside COCO's alphabet ('0' to 'o')")
    if codes.size == 0:
        return codes
    ends = np.flatnonzero(codes < 32)
    if ends.size == 0 or ends[-1] != codes.size - 1:
        raise InputError("RLE counts end in the middle of a run; the text was cut")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if lengths.max() > _MAX_GROUPS - 1:
        raise InputError("RLE counts hold a run that is too long for 60 bits")
    position = np.arange(codes.size) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 31) << (_GROUP_BITS * position), starts)
    negative = (codes[ends] & 16).astype(np.bool_)
    values[negative] -= np.int64(1) << (_GROUP_BITS * lengths[negative])
    if np.abs(values).max() > pixels:  # then no sum below leaves 64 bits
        odd = values[np.abs(values).argmax()]
        raise InputError(f"RLE runs must fill {pixels} pixels, got a difference of {odd} between two runs")
    runs: NDArray[np.int64] = np.array(values, dtype=np.int64)
    runs[1::2] = np.cumsum(values[1::2])
    runs[2::2] = np.cumsum(values[2::2])
    return runs


def mask_area(masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels of each mask: bool [N, H, W] -> int64 [N]."""
    _check_stack(masks, "masks")
    # One call per mask: with an axis, numpy adds 64-bit integers instead of counting bytes: ten times slower.
    return np.array([np.count_nonzero(mask) for mask in masks], dtype=np.int64)


def mask_boxes_xyxy(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The tight box of each mask, in pixel edges.

    Args:
        masks: bool [N, H, W].

    Returns:
        float32 [N, 4], x1 y1 x2 y2 with exclusive right and bottom edges; zeros for an empty mask.
    """
    _check_stack(masks, "masks")
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


def mask_intersection(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pixels that each pair of masks shares: bool [N, H, W], bool [M, H, W] -> int64 [N, M]."""
    _check_stack(a, "first masks")
    _check_stack(b, "second masks")
    if a.shape[1:] != b.shape[1:]:
        raise InputError(f"masks must have one size to be compared, got {a.shape[1:]} and {b.shape[1:]}")
    total = np.zeros((a.shape[0], b.shape[0]), dtype=np.int64)
    if total.size == 0:
        return total
    if not (a.flags.c_contiguous and b.flags.c_contiguous):
        a, b = a.transpose(0, 2, 1), b.transpose(0, 2, 1)  # decoded run lengths lie column by column: no copy
    flat_a, flat_b = a.reshape(a.shape[0], -1), b.reshape(b.shape[0], -1)
    fewer = flat_a if len(flat_a) < len(flat_b) else flat_b
    support = np.flatnonzero(np.any(fewer, axis=0))  # no pair can share a pixel outside
    for start in range(0, support.size, _PIXEL_CHUNK):
        pixels = support[start : start + _PIXEL_CHUNK]
        product = flat_a[:, pixels].astype(np.float32) @ flat_b[:, pixels].astype(np.float32).T
        total += product.astype(np.int64)
    return total


def mask_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Intersection over union of each pair: bool [N, H, W], bool [M, H, W] -> float64 [N, M].

    Two empty masks agree (1.0). This is the only place that decides about empty masks.
    """
    shared = mask_intersection(a, b)
    union = mask_area(a)[:, None] + mask_area(b)[None, :] - shared
    return np.where(union > 0, shared / np.maximum(union, 1), 1.0)


def _check_stack(masks: NDArray[np.bool_], name: str) -> None:
    array = np.asarray(masks)
    if array.dtype != np.bool_ or array.ndim != 3:
        raise InputError(f"{name} must be bool (N, H, W), got {array.dtype} {array.shape}")
