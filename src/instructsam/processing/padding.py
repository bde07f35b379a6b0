"""Rows of token ids of different length as tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instructsam.processing.conversation import MAX_PHRASE_TOKENS


def pad(rows: Sequence[Sequence[int]], length: int, value: int) -> Tensor:
    """Right-pad to int64 [B, length]."""
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows], dtype=torch.int64)


def pad_phrases(phrases: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Phrase ids int64 [P, T] and mask bool [P, T]; T is always 32, as in the published model."""
    cut = [list(phrase[:MAX_PHRASE_TOKENS]) for phrase in phrases]
    ids = torch.zeros(len(cut), MAX_PHRASE_TOKENS, dtype=torch.int64)
    mask = torch.zeros(len(cut), MAX_PHRASE_TOKENS, dtype=torch.bool)
    for row, phrase in enumerate(cut):
        ids[row, : len(phrase)] = torch.tensor(phrase, dtype=torch.int64)
        mask[row, : len(phrase)] = True
    return ids, mask
