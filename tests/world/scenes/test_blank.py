from __future__ import annotations

import numpy as np
import pytest

from instructsam.world.scenes.blank import BLANK_KINDS, blank_picture, blank_pictures


@pytest.mark.parametrize("kind", list(BLANK_KINDS))
def test_blank_pictures_are_the_same_every_time_and_differ_by_seed(kind: str) -> None:
    first = blank_picture(kind, 3, 64)
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, blank_picture(kind, 3, 64))
    assert not np.array_equal(first, blank_picture(kind, 4, 64))


def test_kinds_take_turns() -> None:
    made = list(blank_pictures(9, 64))
    assert [kind for kind, _ in made] == [*BLANK_KINDS, *list(BLANK_KINDS)[:2]]
    assert not np.array_equal(made[0][1], made[7][1])


def test_scrambled_blocks_leave_no_region_of_an_object() -> None:
    """Neighbours on both sides of a block's edge have nothing to do with each other, unlike inside a block."""
    picture = blank_picture("scrambled blocks", 1, 256).astype(int)
    steps = np.abs(np.diff(picture, axis=1)).mean(axis=(0, 2))
    at_edges = steps[7::8].mean()
    assert at_edges > 3 * steps[1::8].mean()
