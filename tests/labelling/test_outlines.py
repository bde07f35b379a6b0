"""Outlines as SVG paths: rasterised again, they are the mask."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from instructsam.labelling.outlines import outline_path
from instructsam.structures.masks import encode_rle


def fill(path: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The even-odd filling of a path: each vertical edge turns the pixels on its right."""
    filled = np.zeros(shape, np.bool_)
    x = y = 0
    for letter, numbers in re.findall(r"([Mhvz])([-\d ]*)", path):
        values = [int(number) for number in numbers.split()]
        if letter == "M":
            x, y = values
            start_y = y
        elif letter == "h":
            x += values[0]
        else:
            end = start_y if letter == "z" else y + values[0]
            filled[min(y, end) : max(y, end), x:] ^= True
            y = end
    return filled


def test_a_path_is_exact_with_holes_and_parts() -> None:
    generator = np.random.default_rng(3)
    for _ in range(20):
        mask = np.kron(generator.random((6, 9)) < 0.5, np.ones((2, 3))).astype(np.bool_)
        assert np.array_equal(fill(outline_path(encode_rle(mask)), mask.shape), mask)


def test_steps_and_an_empty_mask() -> None:
    mask = np.zeros((400, 600), np.bool_)
    mask[100:300, 200:500] = True
    assert outline_path(encode_rle(mask), 4) == "M200 100h300v200h-300z"
    assert outline_path(encode_rle(np.zeros((4, 4), np.bool_))) == ""
