"""One `[SEG]` and one mask per phrase, the union of the phrase's instances.

The connected parts of the mask become the instances, each with the score of the one query. Objects that touch become
one instance, and an object that is cut in two becomes two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from instructsam.errors import InputError
from instructsam.model.variants.one_query import OneQuery
from instructsam.structures.checks import check_fraction, describe
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy

if TYPE_CHECKING:
    from instructsam.model.generation import Reply

MIN_PART_SHARE = 0.0005  # of the image's pixels (33 of 256 x 256); smaller parts are crumbs of a ragged mask
NEIGHBOURS = np.ones((3, 3), dtype=np.int64)  # pixels that touch at a corner belong together


def connected_parts(mask: NDArray[np.bool_], min_share: float = MIN_PART_SHARE) -> NDArray[np.bool_]:
    """The connected parts of a mask, largest first.

    Args:
        mask: bool [H, W].
        min_share: parts that cover less than this share of the image are dropped.

    Returns:
        bool [K, H, W].

    Raises:
        InputError: the mask is no bool (H, W), or the share no number from 0 to 1.
    """
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(f"mask must be bool (H, W), got {describe(mask)}")
    check_fraction(min_share, "min_share")
    labels, _ = ndimage.label(mask, structure=NEIGHBOURS)
    areas = np.bincount(labels.ravel())[1:]
    kept = [int(i) for i in np.argsort(-areas, kind="stable") if areas[i] >= min_share * mask.size]
    parts = [labels == i + 1 for i in kept]
    return np.stack(parts) if parts else np.zeros((0, *mask.shape), dtype=np.bool_)


def split_parts(instances: Instances) -> Instances:
    """Every connected part of every mask as an instance, with its mask's score and phrase."""
    found = [Instances.empty(*instances.size)]
    for instance in instances:
        masks = connected_parts(instance.masks[0])
        scores, phrase_ids = instance.scores.repeat(len(masks)), instance.phrase_ids.repeat(len(masks))
        found.append(Instances(masks, mask_boxes_xyxy(masks), scores, phrase_ids))
    return Instances.concatenate(found)


class TokenAsMask(OneQuery):
    """`instance_form: token_as_mask`."""

    value = "token_as_mask"
    merges_instances = True

    def instances(self, found: Instances, reply: Reply | None) -> Instances:
        return split_parts(found)
