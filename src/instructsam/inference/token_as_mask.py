"""What is special about the two token baselines when they answer (`structures.forms`).

"token_as_mask" draws one mask per phrase: its connected parts become the instances, each with the score of the one
query. Things that touch become one instance and a thing that is cut in two becomes two; that is the baseline.
"token_per_instance" has a detector row per instance: rows of one phrase are put together again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from instructsam.errors import InputError
from instructsam.structures.checks import check_fraction, describe
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy

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
    for one in instances:
        masks = connected_parts(one.masks[0])
        count = len(masks)
        found.append(
            Instances(masks, mask_boxes_xyxy(masks), one.scores.repeat(count), one.phrase_ids.repeat(count))
        )
    return Instances.concatenate(found)


def regroup(instances: Instances, owners: Sequence[int]) -> Instances:
    """Instances whose `phrase_ids` are numbers of query blocks, under the phrases of these blocks, best first.

    Args:
        instances: of one sample.
        owners: of each block its phrase.
    """
    phrases = np.array(owners, dtype=np.int64)[instances.phrase_ids]
    named = Instances(instances.masks, instances.boxes_xyxy, instances.scores, phrases)
    return named[np.lexsort((-named.scores, phrases))]
