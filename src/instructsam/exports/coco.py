"""COCO results: a list of dicts with run-length encoded masks, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instructsam.exports.protocol import ExportedInstances


def export(instances: ExportedInstances, phrases: Sequence[str], image_id: int = 1) -> list[dict[str, Any]]:
    """One result per instance: RLE at the original size, bbox x y width height px, category_id = phrase id + 1."""
    return [
        {
            "image_id": int(image_id),
            "category_id": int(phrase) + 1,
            "segmentation": rle,
            "bbox": [float(value) for value in box],
            "area": int(area),
            "score": float(score),
            "phrase": phrases[phrase],
        }
        for rle, box, area, score, phrase in zip(
            instances.encode_rles(),
            instances.boxes_xywh,
            instances.areas,
            instances.scores,
            instances.phrase_ids,
            strict=True,
        )
    ]
