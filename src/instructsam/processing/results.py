"""Model outputs -> instances at the original size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.outputs import SegmentationOutput, require_numbers


def select_instances(
    output: SegmentationOutput,
    original_sizes: Sequence[tuple[int, int]],
    score_threshold: float | Sequence[float],
    mask_threshold: float = 0.0,
) -> list[Instances]:
    """Selected instances of each sample at the original size, best score first within a phrase.

    Args:
        output: of B samples; `output.phrase_sample` is the sample of each phrase.
        original_sizes: B pairs (height, width).
        score_threshold: keep scores of at least this; one for all samples or B of them.
        mask_threshold: binarisation of the logits.

    Raises:
        InstructSAMError: a score, mask, box or query state is NaN or infinite.
    """
    if output.phrase_sample is None:
        raise ValueError("select_instances needs output.phrase_sample")
    require_numbers(
        {
            "scores": output.score_logits,
            "mask logits": output.mask_logits,
            "boxes": output.boxes_cxcywh,
            "presence scores": output.presence_logits,
            "query states": output.query_states,
        }
    )
    scores = output.score_logits.float().sigmoid()
    if output.presence_logits is not None:
        scores = scores * output.presence_logits.float().sigmoid().unsqueeze(-1)
    owners = output.phrase_sample.tolist()
    thresholds = (
        score_threshold if isinstance(score_threshold, Sequence) else [score_threshold] * len(original_sizes)
    )
    results = []
    for sample, ((height, width), threshold) in enumerate(zip(original_sizes, thresholds, strict=True)):
        parts = []
        phrases = [row for row, owner in enumerate(owners) if owner == sample]
        for phrase_id, row in enumerate(phrases):
            order = scores[row].argsort(descending=True)
            order = order[scores[row][order] >= threshold]
            masks = resize_masks(output.mask_logits[row][order], height, width, mask_threshold)
            drawn = masks.any(axis=(1, 2))  # an instance without a pixel is no instance
            masks, order = masks[drawn], order[torch.from_numpy(drawn).to(order.device)]
            parts.append(
                Instances(
                    masks=masks,
                    boxes_xyxy=mask_boxes_xyxy(masks),
                    scores=scores[row][order].cpu().numpy().astype(np.float32),
                    phrase_ids=np.full(len(order), phrase_id, dtype=np.int64),
                )
            )
        results.append(Instances.concatenate(parts) if parts else Instances.empty(height, width))
    return results


def resize_masks(
    mask_logits: Tensor, height: int, width: int, mask_threshold: float = 0.0
) -> np.ndarray[Any, Any]:
    """Logits [N, h, w] -> bool [N, height, width]: bilinear on the logits, then the threshold.

    One mask at a time: ten float masks of a 50-megapixel photograph would take two gigabytes.
    """
    masks = np.zeros((len(mask_logits), height, width), dtype=np.bool_)
    for row, logits in enumerate(mask_logits.float()):
        resized = F.interpolate(logits[None, None], size=(height, width), mode="bilinear")
        masks[row] = (resized[0, 0] > mask_threshold).cpu().numpy()
    return masks
