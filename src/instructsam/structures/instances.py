"""`Instances`: masks, boxes, scores and phrases of the instances of one image. No torch.

Shapes: N instances; H, W the pixels of the original image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.structures.boxes import xyxy_to_xywh
from instructsam.structures.checks import check_count, describe
from instructsam.structures.masks import encode_rle, mask_area

MAX_SIDE = 2**31 - 1  # pixels; numpy cannot make an empty stack of masks with much longer sides


@dataclass(frozen=True, eq=False)
class Instances:
    """N instances of one image.

    Attributes:
        masks: bool [N, H, W] at the original size.
        boxes_xyxy: float32 [N, 4] px, right and bottom edges exclusive.
        scores: float32 [N] in [0, 1].
        phrase_ids: int64 [N], index of the phrase that each instance answers.

    Raises:
        InputError: a dtype, a shape or a value is not as above.
    """

    masks: NDArray[np.bool_]
    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    phrase_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check_array(self.masks, "masks", np.bool_, ("N", "H", "W"))
        _check_array(self.boxes_xyxy, "boxes_xyxy", np.float32, ("N", 4))
        _check_array(self.scores, "scores", np.float32, ("N",))
        _check_array(self.phrase_ids, "phrase_ids", np.int64, ("N",))
        lengths = {name: len(getattr(self, name)) for name in ("masks", "boxes_xyxy", "scores", "phrase_ids")}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{length} {name}" for name, length in lengths.items())
            raise InputError(f"every field must have one entry per instance, got {found}")
        if not np.isfinite(self.boxes_xyxy).all():
            raise InputError("boxes_xyxy must be finite, got NaN or infinity")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise InputError(f"scores must lie in [0, 1], got {self.scores.min()} to {self.scores.max()}")
        if (self.phrase_ids < 0).any():
            raise InputError(f"phrase_ids must not be negative, got {self.phrase_ids.min()}")

    @classmethod
    def empty(cls, height: int, width: int) -> Instances:
        """No instance of an image of this size.

        Raises:
            InputError: a side is not a whole number of at least 0.
        """
        check_count(height, "height", low=0, high=MAX_SIDE)
        check_count(width, "width", low=0, high=MAX_SIDE)
        return cls(
            np.zeros((0, height, width), dtype=np.bool_),
            np.zeros((0, 4), dtype=np.float32),
            np.zeros(0, dtype=np.float32),
            np.zeros(0, dtype=np.int64),
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Instances]) -> Instances:
        """All instances of several parts of one image, in order; phrase ids are kept as they are.

        Raises:
            InputError: there is no part, one is not `Instances`, or sizes differ.
        """
        if not isinstance(parts, (list, tuple)):
            raise InputError(f"Instances.concatenate needs a list of Instances, got {describe(parts)}")
        for index, part in enumerate(parts):
            if not isinstance(part, Instances):
                raise InputError(f"parts[{index}] must be Instances, got {describe(part)}")
        if not parts:
            raise InputError("Instances.concatenate needs at least one part: an empty list has no image size")
        sizes = sorted({part.size for part in parts})
        if len(sizes) > 1:
            raise InputError(f"Instances.concatenate needs parts of one image size, got {sizes}")
        names = ("masks", "boxes_xyxy", "scores", "phrase_ids")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the masks."""
        return int(self.masks.shape[1]), int(self.masks.shape[2])

    @property
    def areas(self) -> NDArray[np.int64]:
        """int64 [N], pixels of each mask."""
        return mask_area(self.masks)

    @property
    def boxes_xywh(self) -> NDArray[np.float32]:
        """float32 [N, 4] px: x, y, width, height."""
        return xyxy_to_xywh(self.boxes_xyxy)

    def encode_rles(self) -> list[dict[str, Any]]:
        """COCO run-length encoding of each mask."""
        return [encode_rle(mask) for mask in self.masks]

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: Any) -> Instances:
        """Instances chosen by a number, a slice, a bool mask [N] or an array or list of numbers."""
        if isinstance(index, int | np.integer) and not isinstance(index, bool | np.bool_):
            position = int(index)
            if not -len(self) <= position < len(self):
                raise IndexError(f"instance {position} of {len(self)}")
            position %= len(self)
            chosen: Any = slice(position, position + 1)
        elif isinstance(index, slice):
            chosen = index
        else:
            chosen = np.asarray(index)
            if chosen.size == 0 and chosen.dtype != np.bool_:
                chosen = chosen.astype(np.int64)
            if chosen.ndim != 1 or chosen.dtype.kind not in "bui":
                raise InputError(
                    "Instances are indexed by int, slice, bool mask (N,) or int array, "
                    f"got {type(index).__name__} {chosen.dtype} {chosen.shape}"
                )
        return Instances(
            self.masks[chosen], self.boxes_xyxy[chosen], self.scores[chosen], self.phrase_ids[chosen]
        )

    def __iter__(self) -> Iterator[Instances]:
        """One-instance `Instances`, in order."""
        return (self[i] for i in range(len(self)))


def _check_array(value: Any, name: str, dtype: type[np.generic], shape: tuple[str | int, ...]) -> None:
    wanted = f"{np.dtype(dtype).name} ({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    if not isinstance(value, np.ndarray):
        raise InputError(f"{name} must be {wanted}, got {type(value).__name__}")
    fits = value.ndim == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, value.shape, strict=False)
    )
    if value.dtype != dtype or not fits:
        raise InputError(f"{name} must be {wanted}, got {value.dtype} {value.shape}")
