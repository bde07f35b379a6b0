from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from instructsam.visualization.labels import Anchor, Box, Label, middle_of, place_labels


def overlap(a: Box, b: Box) -> int:
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def placed(boxes: list[Box], size: tuple[int, int], canvas: tuple[int, int]) -> list[Label]:
    covered = np.zeros(canvas[::-1], dtype=np.bool_)
    anchors = []
    for left, top, right, bottom in boxes:
        inside = np.ones((bottom - top, right - left), dtype=np.bool_)
        covered[top:bottom, left:right] = True
        anchors.append(Anchor((left, top, right, bottom), ((left + right) // 2, (top + bottom) // 2), inside))
    return place_labels(anchors, [size] * len(boxes), covered)


def check(labels: list[Label], canvas: tuple[int, int]) -> None:
    for index, label in enumerate(labels):
        left, top, right, bottom = label.place
        assert left >= 0
        assert top >= 0
        assert right <= canvas[0]
        assert bottom <= canvas[1]
        assert all(overlap(label.place, other.place) == 0 for other in labels[:index])


@pytest.mark.parametrize("count", [1, 12, 60, 200])
def test_tags_of_a_crowd_stay_inside_and_apart(count: int) -> None:
    rng = np.random.default_rng(0)
    boxes = [(int(x), int(y), int(x) + 20, int(y) + 20) for x, y in rng.integers(0, 480, (count, 2))]
    labels = placed(boxes, (26, 14), (500, 500))
    assert [label.index for label in labels] == list(range(count))
    check(labels, (500, 500))


def test_tags_at_one_spot_spread_and_those_without_room_are_left_out() -> None:
    labels = placed([(50, 50, 52, 52)] * 40, (30, 20), (120, 120))
    check(labels, (120, 120))
    assert 10 <= len(labels) < 40
    assert placed([(0, 0, 5, 5)], (30, 20), (20, 10)) == []


def test_a_large_instance_carries_its_tag_and_a_small_one_has_it_beside() -> None:
    large, small = placed([(100, 100, 300, 300), (400, 100, 412, 112)], (20, 14), (500, 500))
    assert not large.beside
    assert (large.place[0] + large.place[2]) // 2 == 200
    assert small.beside
    assert overlap(small.place, (400, 100, 412, 112)) < 10
    assert abs(small.place[0] - 406) < 60


def disc(radius: int) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(rows**2 + columns**2 <= radius**2)


def test_the_middle_lies_on_the_mask() -> None:
    x, y = middle_of(disc(100))
    assert abs(x - 100) < 8
    assert abs(y - 100) < 8
    hollow = disc(100)
    hollow[20:181, 20:181] &= ~disc(80)
    for inside in (
        hollow,
        np.eye(300, dtype=np.bool_),
        np.ones((1, 900), np.bool_),
        np.ones((1, 1), np.bool_),
    ):
        x, y = middle_of(inside)
        assert inside[y, x]
