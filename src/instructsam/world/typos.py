"""Slips of the keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def with_typo(rng: np.random.Generator, text: str) -> str:
    """The text with two neighbouring letters of one longer word swapped."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if not long:
        return text
    index = long[int(rng.integers(len(long)))]
    word, at = words[index], int(rng.integers(1, len(words[index]) - 2))
    words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
