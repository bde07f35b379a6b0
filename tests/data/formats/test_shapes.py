"""LabelMe's shapes are drawn as what they are, or counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructsam.data.formats.outlines import DamagedMaskError
from instructsam.data.formats.shapes import NO_AREA, UnknownAreaError, draw_labels, outlined
from instructsam.data.formats.source import Node, Tally
from instructsam.errors import RecordError

from .helpers import HEIGHT, WIDTH, block


def node(kind: str | None, *points: Any) -> Node:
    shape = {"points": list(points)} | ({} if kind is None else {"shape_type": kind})
    return next(Node({"shapes": [shape]}, Path("f.json"))["shapes"].items())


def drawn(kind: str | None, *points: Any, height: int = HEIGHT, width: int = WIDTH) -> Any:
    outline = outlined(node(kind, *points), height, width, Tally())
    assert outline is not None
    top = Node({"shapes": []}, Path("f.json"))
    return draw_labels([(outline, 1)], height, width, top) == 1


def test_a_rectangle_is_filled_from_corner_to_corner() -> None:
    for corners in ([[1, 1], [4, 3]], [[4.9, 3.9], [1.2, 1.2]], [[1, 3], [4, 1]]):
        np.testing.assert_array_equal(drawn("rectangle", *corners), block(1, 1, 4, 3))


def test_a_polygon_is_one_also_without_a_type() -> None:
    for kind in ("polygon", None):
        np.testing.assert_array_equal(drawn(kind, [1, 1], [4, 1], [4, 3], [1, 3]), block(1, 1, 4, 3))


def test_a_circle_is_round() -> None:
    mask = drawn("circle", [20, 15], [20, 25], height=40, width=50)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 25, 10, 30)
    assert abs(int(mask.sum()) - np.pi * 10.5**2) < 12


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    np.testing.assert_array_equal(drawn("rectangle", [-3, -3], [2, 2]), block(0, 0, 3, 3))
    assert not drawn("rectangle", [20, 1], [25, 3]).any()
    assert drawn("circle", [12, 3], [8, 3]).any()


@pytest.mark.parametrize("kind", ["point", "points", "line", "linestrip"])
def test_points_and_lines_have_no_area(kind: str) -> None:
    tally = Tally()
    assert outlined(node(kind, [1, 1], [4, 4], [5, 0]), HEIGHT, WIDTH, tally) is None
    assert dict(tally.left_out) == {NO_AREA: 1}


def test_other_types_are_not_drawn_as_something_else() -> None:
    for kind in ("mask", "ellipse", "x" * 10**6):
        with pytest.raises(UnknownAreaError, match=r"f.json, at shapes\[0\]: '"):
            outlined(node(kind, [1, 1], [4, 4]), HEIGHT, WIDTH, Tally())


@pytest.mark.parametrize("corner", [[10**9, 1], [1, -(10**9)], [float("inf"), 1], [1, 10**400]], ids=range(4))
def test_corners_far_outside_are_damage(corner: Any) -> None:
    with pytest.raises(DamagedMaskError):
        outlined(node(None, [1, 1], [4, 4], corner), HEIGHT, WIDTH, Tally())


def test_the_pixels_to_draw_are_bounded() -> None:
    huge = outlined(node("rectangle", [0, 0], [13_000, 13_000]), 13_000, 13_000, Tally())
    assert huge is not None
    with pytest.raises(RecordError, match="expected shapes of at most 4000000000 pixels in all"):
        draw_labels([(huge, 1)] * 100, 13_000, 13_000, Node({"shapes": []}, Path("f.json")))


def test_rectangles_and_circles_have_two_points() -> None:
    for kind in ("rectangle", "circle"):
        with pytest.raises(RecordError, match=f"expected the two points of a {kind}"):
            outlined(node(kind, [1, 1]), HEIGHT, WIDTH, Tally())
