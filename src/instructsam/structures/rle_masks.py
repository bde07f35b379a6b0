"""Many masks that stay run-length encoded: areas, boxes and overlaps without a pixel in memory, by pycocotools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from instructsam.errors import InputError
from instructsam.structures.masks import check_mask_stack, coco_code, decode_rles

Size: TypeAlias = tuple[int, int]
_AREAS_AT_ONCE = 255  # pycocotools keeps their number in one byte, which NumPy 2 refuses to overflow


@dataclass(frozen=True, eq=False)
class RleMasks:
    """N masks of one size.

    Attributes:
        codes: checked run-length codes, in the form that pycocotools takes.
        size: (height, width) px.
    """

    codes: tuple[Mapping[str, Any], ...]
    size: Size

    @classmethod
    def encode(cls, masks: NDArray[np.bool_]) -> RleMasks:
        """Of masks, bool [N, H, W].

        Raises:
            InputError: another dtype or shape.
        """
        check_mask_stack(masks, "masks")
        pixels = np.asfortranarray(masks.transpose(1, 2, 0)).view(np.uint8)
        return cls(tuple(coco.encode(pixels)), (masks.shape[1], masks.shape[2]))

    @classmethod
    def load(cls, codes: Sequence[Mapping[str, Any]], size: Size, name: str) -> RleMasks:
        """Of run-length codes, as `decode_rle` takes them.

        Args:
            codes: of masks of one size.
            size: (height, width) px.
            name: what the masks belong to, for messages.

        Raises:
            InputError: a code is malformed or of another size.
        """
        try:
            checked = tuple(coco_code(code) for code in codes)
            for code in checked:
                if tuple(code["size"]) != size:
                    raise InputError(f"masks must have the size {size}, got {tuple(code['size'])}")
        except InputError as error:
            raise InputError(f"{name}: {error}") from error
        return cls(checked, size)

    @classmethod
    def none(cls, size: Size) -> RleMasks:
        """No mask of this size."""
        return cls((), size)

    def __len__(self) -> int:
        return len(self.codes)

    def head(self, count: int) -> RleMasks:
        """The first `count` masks."""
        return RleMasks(self.codes[:count], self.size)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> RleMasks:
        """The masks of these indices, in their order."""
        return RleMasks(tuple(self.codes[index] for index in indices), self.size)

    def decode(self) -> NDArray[np.bool_]:
        """bool [N, H, W]."""
        return decode_rles(self.codes, self.size, f"{len(self)} masks")

    def areas(self) -> NDArray[np.int64]:
        """Pixels of each mask: int64 [N]."""
        starts = range(0, len(self), _AREAS_AT_ONCE)
        areas = [coco.area(list(self.codes[start : start + _AREAS_AT_ONCE])) for start in starts]
        return np.concatenate([np.zeros(0), *areas]).astype(np.int64)

    def boxes_xyxy(self) -> NDArray[np.float64]:
        """The tight box of each mask, px with exclusive right and bottom edges, zeros for an empty mask: [N, 4]."""
        boxes = np.array(coco.toBbox(list(self.codes)), dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return boxes

    def intersection(self, other: RleMasks) -> NDArray[np.int64]:
        """Pixels that each pair of masks shares: int64 [N, M]."""
        if self.size != other.size:
            raise InputError(f"masks must have one size to be compared, got {self.size} and {other.size}")
        if not self.codes or not other.codes:
            return np.zeros((len(self), len(other)), dtype=np.int64)
        # For a crowd pycocotools divides by the area of the first mask instead of the union.
        share = coco.iou(list(self.codes), list(other.codes), [1] * len(other))
        return np.asarray(np.rint(share * self.areas()[:, None]), dtype=np.int64)

    def iou(self, other: RleMasks) -> NDArray[np.float64]:
        """Intersection over union of each pair: float64 [N, M]. Two empty masks agree (1.0)."""
        shared = self.intersection(other)
        union = self.areas()[:, None] + other.areas()[None, :] - shared
        return np.where(union > 0, shared / np.maximum(union, 1), 1.0)

    def union(self) -> RleMasks:
        """One mask: the pixels of any; empty without masks."""
        if not self.codes:
            return RleMasks.encode(np.zeros((1, *self.size), dtype=np.bool_))
        return RleMasks((coco.merge(list(self.codes)),), self.size)

    def inside(self, region: RleMasks) -> RleMasks:
        """The part of each mask that lies in one other mask."""
        if self.size != region.size or len(region) != 1:
            raise InputError(f"a region must be one mask of {self.size}, got {len(region)} of {region.size}")
        return RleMasks(
            tuple(coco.merge([code, region.codes[0]], intersect=True) for code in self.codes), self.size
        )

    def inverted(self) -> RleMasks:
        """The pixels outside each mask."""
        return RleMasks.encode(~self.decode())


def mask_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.float64]:
    """`RleMasks.iou` of masks: bool [N, H, W], bool [M, H, W] -> float64 [N, M]."""
    return RleMasks.encode(a).iou(RleMasks.encode(b))
