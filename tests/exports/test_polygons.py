"""Polygons of masks: exact on pixel edges, within the tolerance when simplified, valid always."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco
from scipy.ndimage import gaussian_filter, label

from instructsam.exports.polygons import INSET, Polygon, joined_ring, keyhole_ring, mask_polygons
from instructsam.structures.masks import decode_rle, text_code


def fill(rings: list[NDArray[np.float64]], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels whose centre is inside an odd number of rings, computed pixel by pixel."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    odd = np.zeros(size, np.bool_)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y0 != y1:
                odd ^= ((y0 <= y) != (y1 <= y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) > x)
    return odd


def rings_of(polygons: list[Polygon]) -> list[NDArray[np.float64]]:
    return [ring for polygon in polygons for ring in (polygon.outer, *polygon.holes)]


def blobs(seed: int, size: tuple[int, int] = (48, 60), sigma: float = 1.5) -> NDArray[np.bool_]:
    noise = np.random.default_rng(seed).standard_normal(size)
    return np.asarray(gaussian_filter(noise, sigma) > 0)


def small_masks() -> list[NDArray[np.bool_]]:
    """Every mask of 3 x 3 pixels."""
    return [
        np.array([bits >> place & 1 for place in range(9)], np.bool_).reshape(3, 3) for bits in range(512)
    ]


def test_every_small_mask_is_exact_in_every_form() -> None:
    for mask, inset in itertools.product(small_masks(), (0.0, INSET)):
        polygons = mask_polygons(mask, inset=inset)
        assert len(polygons) == label(mask)[1]
        assert np.array_equal(fill(rings_of(polygons), mask.shape), mask)
        assert np.array_equal(fill([keyhole_ring(polygon) for polygon in polygons], mask.shape), mask)
        if polygons:
            assert np.array_equal(fill([joined_ring(polygons)], mask.shape), mask)


@pytest.mark.parametrize("inset", [0, INSET])
@pytest.mark.parametrize("seed", range(4))
def test_coco_rasterises_the_exact_polygons_to_the_mask(seed: int, inset: float) -> None:
    mask = blobs(seed, sigma=0.8 + 0.4 * seed)
    flat = [keyhole_ring(polygon).ravel().tolist() for polygon in mask_polygons(mask, inset=inset)]
    drawn = text_code(coco.merge(coco.frPyObjects(flat, *mask.shape)))
    assert np.array_equal(decode_rle(drawn), mask)


def connected() -> list[NDArray[np.bool_]]:
    """Masks without pixels that touch in a corner alone."""
    masks = [*small_masks(), *(blobs(seed, sigma=2.5) for seed in range(6))]
    corners = [(m[1:, 1:], m[1:, :-1], m[:-1, 1:], m[:-1, :-1]) for m in masks]
    touches = [((a == d) & (b == c) & (a != b)).any() for a, b, c, d in corners]
    return [mask for mask, touching in zip(masks, touches, strict=True) if not touching]


def test_corners_cut_to_pixels_lie_in_the_mask() -> None:
    assert len(connected()) > 300
    for mask in connected():
        for ring in rings_of(mask_polygons(mask, inset=INSET)):
            x, y = ring.astype(np.int64).T
            assert mask[y, x].all()


def test_opencv_fills_the_mask() -> None:
    cv2 = pytest.importorskip("cv2")
    for mask in connected():
        drawn = np.zeros(mask.shape, np.uint8)
        for polygon in mask_polygons(mask, inset=INSET):
            cv2.fillPoly(drawn, [keyhole_ring(polygon).astype(np.int32)], 1)
        assert np.array_equal(drawn.astype(bool), mask)


def test_holes_belong_to_the_part_around_them() -> None:
    mask = np.ones((9, 20), np.bool_)
    mask[:, 9] = False
    mask[1:8, 1:8] = False
    mask[3:6, 3:6] = True  # an island in the hole
    mask[4, 4] = False
    mask[2, 12], mask[3, 13] = False, False  # two holes that touch in a corner
    found = [(len(polygon.holes), polygon.outer.min(axis=0).tolist()) for polygon in mask_polygons(mask)]
    assert found == [(2, [10, 0]), (1, [0, 0]), (1, [3, 3])]


@pytest.mark.parametrize("tolerance", [0.3, 1.0, 2.0, 8.0, 1000.0])
def test_simplified_rings_are_valid_and_within_the_tolerance(tolerance: float) -> None:
    for seed in range(6):
        mask = blobs(seed, sigma=1.0 + 0.4 * seed)
        exact, simple = mask_polygons(mask), mask_polygons(mask, tolerance)
        assert sorted(len(polygon.holes) for polygon in simple) == sorted(len(p.holes) for p in exact)
        for before, after in zip(rings_of(exact), rings_of(simple), strict=True):
            assert len(after) >= 3
            assert set(map(tuple, after.tolist())) <= set(map(tuple, before.tolist()))
            assert _farthest(before, after) <= tolerance
        assert _crossings(rings_of(simple)) == 0
        filled = fill(rings_of(simple), mask.shape)
        assert np.array_equal(fill([keyhole_ring(polygon) for polygon in simple], mask.shape), filled)
        assert (filled & mask).sum() / (filled | mask).sum() > 0.85


def _farthest(corners: NDArray[np.float64], ring: NDArray[np.float64]) -> float:
    """The largest distance of an exact corner to the simplified ring."""
    along = np.roll(ring, -1, axis=0) - ring
    offset = corners[:, None] - ring
    share = np.clip((offset * along).sum(axis=2) / (along**2).sum(axis=1), 0, 1)
    distances = np.hypot(*(offset - share[..., None] * along).transpose(2, 0, 1))
    return float(distances.min(axis=1).max())


def _crossings(rings: list[NDArray[np.float64]]) -> int:
    """Pairs of edges that cross inside both, or where a corner lies inside another edge."""
    a = np.concatenate(rings)
    b = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])

    def side(p: NDArray[np.float64], q: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sign((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    one, other = (a[:, None], b[:, None]), (a[None], b[None])
    first = side(*one, other[0]) * side(*one, other[1])
    second = side(*other, one[0]) * side(*other, one[1])
    inside = np.einsum("ijk,ijk->ij", a[None] - a[:, None], a[None] - b[:, None]) < 0
    on_edge = (side(*one, np.broadcast_to(a[None], (len(a), len(a), 2))) == 0) & inside
    return int((((first < 0) & (second < 0)) | on_edge).sum())


@pytest.mark.parametrize("tolerance", [0, 1, 100])
def test_no_instance_is_too_small_for_a_polygon(tolerance: float) -> None:
    for place in [(0, 0), (4, 6), (2, 3)]:
        mask = np.zeros((5, 7), np.bool_)
        mask[place] = True
        (polygon,) = mask_polygons(mask, tolerance)
        assert np.array_equal(fill([polygon.outer], mask.shape), mask)
    assert mask_polygons(np.zeros((5, 7), np.bool_), tolerance) == []
    (whole,) = mask_polygons(np.ones((5, 7), np.bool_), tolerance)
    assert whole.outer.tolist() == [[0, 0], [7, 0], [7, 5], [0, 5]]


def test_thin_lines_keep_their_pixels() -> None:
    line = np.eye(40, dtype=np.bool_) | np.eye(40, k=1, dtype=np.bool_)
    (polygon,) = mask_polygons(line, 5.0)
    filled = fill([polygon.outer], line.shape)
    assert (filled & line).sum() / (filled | line).sum() > 0.9


def test_a_small_part_near_a_long_edge_stays_outside() -> None:
    y, x = np.mgrid[:200, :200]
    disc = (x - 100) ** 2 + (y - 100) ** 2 < 90**2
    disc[9:14, 98:103] = False  # cut a bay into the edge, with an island in it
    disc[11, 100] = True
    simple = mask_polygons(disc, 6.0)
    assert len(simple) == 2
    assert not fill([simple[0].outer], disc.shape)[11, 100]
    assert _crossings(rings_of(simple)) == 0
