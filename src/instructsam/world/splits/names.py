"""Names of the world's benchmark splits; they are listed without importing what draws them."""

from __future__ import annotations

from typing import Literal, get_args

Split = Literal[
    "val",
    "test",
    "test_unseen_pairs",
    "test_unseen_wording",
    "test_crowded",
    "test_hard_negative",
    "val_unseen_style",
    "test_unseen_style",
    "calibration",
]
SPLIT_NAMES: tuple[Split, ...] = get_args(Split)
