"""One-to-one matching of two sets of masks by IoU, and set gIoU. Numpy and scipy, on the IoU matrix [K, M] alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


def best_pairs(iou: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the one-to-one matching with the largest sum of IoU; min(K, M) pairs of [K, M]."""
    rows, columns = linear_sum_assignment(iou, maximize=True)
    return rows, columns


def matched_iou(iou: NDArray[np.float64]) -> float:
    """Sum of IoU of the best one-to-one matching; [K, M] -> number."""
    rows, columns = best_pairs(iou)
    return float(iou[rows, columns].sum())


def set_giou(iou: NDArray[np.float64]) -> float:
    """`matched_iou` over the larger count; [K, M] -> number. Both empty is 1."""
    if iou.size == 0:
        return 1.0 if iou.shape == (0, 0) else 0.0
    return matched_iou(iou) / int(max(iou.shape))
