"""Decoder layers side by side: their queries become one dimension, so that every operation runs once for all layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from instructsam.structures.outputs import DetectionOutput


def side_by_side(layers: Sequence[DetectionOutput]) -> DetectionOutput:
    """K layers of Q queries as one of K * Q, without presence."""
    if len(layers) == 1:
        return layers[0]
    masks = torch.cat([layer.mask_logits for layer in layers], dim=1)
    scores = torch.cat([layer.score_logits for layer in layers], dim=1)
    return DetectionOutput(masks, scores, torch.cat([layer.boxes_cxcywh for layer in layers], dim=1))
