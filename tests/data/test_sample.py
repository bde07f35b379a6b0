"""A training sample checks itself, and boxes are relative to the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from instructsam.data.sample import SampleInstruction, SamplePhrase, TrainingSample, relative_boxes_cxcywh
from instructsam.errors import InputError


def sample(**changes: Any) -> TrainingSample:
    masks = np.zeros((2, 4, 8), dtype=bool)
    masks[0, 1:3, 2:6] = True
    values: dict[str, Any] = {
        "id": "photo",
        "image": np.zeros((4, 8, 3), np.uint8),
        "instructions": (SampleInstruction("the mug", (SamplePhrase("mug", (0,)),)),),
        "boxes_cxcywh": relative_boxes_cxcywh(masks),
        "masks": masks,
        **changes,
    }
    return TrainingSample(**values)


def test_boxes_by_hand() -> None:
    assert sample().boxes_cxcywh.tolist() == [[0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": np.zeros((4, 8), np.uint8)}, r"image must be uint8 \(4, 8, 3\), got uint8 \(4, 8\)"),
        ({"masks": np.zeros((2, 4, 8), np.uint8)}, r"masks must be bool \(2, 4, 8\), got uint8"),
        ({"masks": np.zeros((2, 8, 4), bool)}, r"masks must be bool \(2, 4, 8\), got bool \(2, 8, 4\)"),
        ({"boxes_cxcywh": np.zeros((2, 4))}, r"boxes_cxcywh must be float32 \(2, 4\), got float64"),
        ({"classes": np.zeros((3, 2), np.int64)}, r"classes must be int64 \(2, 2\), got int64 \(3, 2\)"),
        (
            {"instructions": (SampleInstruction("it", (SamplePhrase("key", (1,)),)),)},
            "phrase 'key' names object 1, which has no visible pixel",
        ),
        (
            {"instructions": (SampleInstruction("it", (SamplePhrase("key", (2,)),)),)},
            "phrase 'key' names object 2, .*one of the 2 objects",
        ),
        (
            {"instructions": (SampleInstruction("it", (SamplePhrase("key", (0,)),), ignore=(1,)),)},
            "instruction 'it' ignores object 1, which has no visible pixel",
        ),
        ({"known": ("box",)}, "known must be empty or name .* each of the 2 objects, got 1 entries"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"sample photo: {message}"):
        sample(**changes)
