"""Pixels and masks."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.world.scenes.drawings.registry import draw_kind
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import object_tile, render_scene, scene_size
from instructsam.world.scenes.scene import (
    BACKGROUNDS,
    COLORS,
    KINDS,
    Background,
    RenderedScene,
    Scene,
    SceneObject,
    SceneSettings,
)
from instructsam.world.scenes.sheet import SheetCell, scene_sheet
from tests.world import cached

SHORT_SIDE = 128


def _alone(kind: str, color: str, seed: int = 0, scale: float = 0.9) -> Scene:
    thing = SceneObject(kind, color, "large", (0.5, 0.5), scale, 0.0, False, seed)
    return Scene(seed, Background("plain", seed), (thing,))


def _digest(rendered: RenderedScene) -> str:
    return hashlib.sha256(rendered.image.tobytes() + np.packbits(rendered.masks).tobytes()).hexdigest()[:16]


@pytest.fixture(scope="module")
def rendered() -> list[RenderedScene]:
    return [render_scene(cached.scene(seed), SHORT_SIDE) for seed in range(80)]


# A change of these digests changes every benchmark score: say so in the change log.
@pytest.mark.parametrize(
    ("seed", "short_side", "digest"),
    [
        (1, 160, "b296da9db151cba4"),
        (7, 160, "e39df8a89b237523"),
        (42, 96, "035c077adfe18ddd"),
        (7, 256, "24e9d76f5efac2e5"),
        (5, 640, "9435d11775b9c167"),
    ],
)
def test_same_seed_gives_the_same_bytes(seed: int, short_side: int, digest: str) -> None:
    assert _digest(render_scene(sample_scene(seed), short_side)) == digest


def test_masks_are_disjoint_and_fit_the_picture(rendered: list[RenderedScene]) -> None:
    for scene in rendered:
        height, width = scene.image.shape[:2]
        assert scene.image.dtype == np.uint8
        assert scene.masks.shape == (len(scene.scene.objects), height, width)
        assert scene.masks.dtype == np.bool_
        assert scene.masks.sum(axis=0).max() <= 1


def test_every_object_stays_visible_and_some_are_partly_hidden(rendered: list[RenderedScene]) -> None:
    fractions = np.concatenate([scene.visible_fraction for scene in rendered])
    assert fractions.min() >= 0.35
    assert fractions.max() <= 1.0
    assert 0.05 < (fractions < 0.97).mean() < 0.4


def test_visible_fraction_is_area_over_full_area(rendered: list[RenderedScene]) -> None:
    for scene in rendered:
        np.testing.assert_allclose(
            scene.masks.sum(axis=(1, 2)) / scene.full_areas, scene.visible_fraction, rtol=1e-6
        )


def test_full_boxes_are_those_of_the_object_alone(rendered: list[RenderedScene]) -> None:
    crowded = next(scene for scene in rendered if scene.visible_fraction.min() < 0.7)
    for index, thing in enumerate(crowded.scene.objects):
        alone = render_scene(replace(crowded.scene, objects=(thing,)), SHORT_SIDE)
        rows, columns = np.nonzero(alone.masks[0])
        box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert tuple(crowded.full_boxes_xyxy[index]) == box
        assert crowded.full_areas[index] == alone.masks[0].sum()
        assert not (crowded.masks[index] & ~alone.masks[0]).any()


def test_objects_lie_inside_the_picture(rendered: list[RenderedScene]) -> None:
    for scene in rendered:
        height, width = scene.image.shape[:2]
        assert (scene.full_boxes_xyxy[:, :2] >= 0).all()
        assert (scene.full_boxes_xyxy[:, 2:] <= (width, height)).all()


def test_an_object_that_leaves_the_picture_is_cut_off() -> None:
    thing = replace(_alone("apple", "red").objects[0], center=(0.0, 0.5))
    cut = render_scene(Scene(0, Background("plain", 0), (thing,)), 64)
    assert 0.4 < cut.visible_fraction[0] < 0.6
    assert cut.full_boxes_xyxy[0, 0] < 0
    gone = render_scene(Scene(0, Background("plain", 0), (replace(thing, center=(3.0, -3.0)),)), 64)
    assert gone.visible_fraction[0] == 0
    assert not gone.masks.any()


@pytest.mark.parametrize("kind", KINDS)
def test_mean_color_of_a_mask_is_nearest_to_its_name(kind: str) -> None:
    names = list(COLORS)
    for seed, color in enumerate((*names, *names)):  # another drawing for each, to see more of them
        scene = render_scene(_alone(kind, color, seed), 64)
        assert scene.masks[0].sum() > 200
        mean = scene.image[scene.masks[0]].mean(axis=0)
        distances = np.linalg.norm(np.array([COLORS[name] for name in names]) - mean, axis=1)
        assert names[int(distances.argmin())] == color, (seed, mean)


@pytest.mark.parametrize("kind", KINDS)
def test_longest_extent_is_the_scale_and_seeds_vary_the_drawing(kind: str) -> None:
    scenes = [render_scene(_alone(kind, "blue", seed, 0.8), 125) for seed in range(4)]
    for scene in scenes:
        x1, y1, x2, y2 = scene.full_boxes_xyxy[0]
        assert abs(max(x2 - x1, y2 - y1) - 100) <= 4
        assert abs((x1 + x2) / 2 - 62.5) <= 2
        assert abs((y1 + y2) / 2 - 62.5) <= 2
    assert len({scene.masks.tobytes() for scene in scenes}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_pattern_covers_part_of_the_base_color_and_nothing_else(kind: str) -> None:
    plain = _alone(kind, "blue", 3)
    thing = replace(plain.objects[0], tilt=5.0, mirrored=True)
    base = draw_kind(kind, COLORS["blue"], 3).base
    before = np.asarray(object_tile(thing, 96, 96, supersample=1).image)
    own = (before[..., :3] == base).all(axis=2) & (before[..., 3] == 255)
    drawn = render_scene(replace(plain, objects=(thing,)), 96)
    for pattern in ("striped", "dotted"):
        other = replace(thing, pattern=pattern)
        after = np.asarray(object_tile(other, 96, 96, supersample=1).image)
        changed = (before != after).any(axis=2)
        assert not (changed & ~own).any()
        assert 0.15 < changed.sum() / own.sum() < 0.75
        painted = render_scene(replace(plain, objects=(other,)), 96)
        np.testing.assert_array_equal(painted.masks, drawn.masks)
        np.testing.assert_array_equal(painted.image[~drawn.masks[0]], drawn.image[~drawn.masks[0]])


def test_objects_stand_on_their_shelf() -> None:
    settings = SceneSettings(min_objects=3, backgrounds=("plain", "wood"), layouts=("shelves",))
    boards = set[tuple[int, int]]()
    for seed in range(16):
        scene = render_scene(sample_scene(seed, settings), SHORT_SIDE)
        edges = np.array(scene.scene.shelves) * scene.image.shape[0]
        assert scene.scene.layout == "shelves"
        for thing, (_, _, _, bottom) in zip(scene.scene.objects, scene.full_boxes_xyxy, strict=True):
            assert thing.shelf == np.abs(edges - bottom).argmin() + 1
            assert abs(edges[thing.shelf - 1] - bottom) <= 2
            boards.add((len(edges), thing.shelf))
    assert boards == {(2, 1), (2, 2), (3, 1), (3, 2), (3, 3)}


def test_only_shelf_layouts_have_shelves(rendered: list[RenderedScene]) -> None:
    for scene in rendered:
        shelved = scene.scene.layout == "shelves"
        assert bool(scene.scene.shelves) == shelved
        assert all((thing.shelf > 0) == shelved for thing in scene.scene.objects)
    empty = Scene(0, Background("plain", 0), (), layout="shelves", shelves=(0.5,))
    rows = render_scene(empty, 100).image.astype(int).mean(axis=(1, 2))
    assert rows[51:53].max() < rows[40:49].min() - 30


def test_mirrored_turns_the_mask_around() -> None:
    scene = _alone("mug", "red")
    mirrored = replace(scene, objects=(replace(scene.objects[0], mirrored=True),))
    plain, turned = render_scene(scene, 128).masks[0], render_scene(mirrored, 128).masks[0]
    assert (plain[:, ::-1] & turned).sum() / (plain[:, ::-1] | turned).sum() > 0.95
    assert (plain & turned).sum() / (plain | turned).sum() < 0.9


@pytest.mark.parametrize("style", BACKGROUNDS)
def test_backgrounds_are_light_and_muted(style: str) -> None:
    for seed in range(6):
        image = render_scene(Scene(seed, Background(style, seed), (), 4 / 3), 120).image.astype(int)
        assert image.shape == (120, 160, 3)
        assert image.mean() > 150
        assert (image.max(axis=2) - image.min(axis=2)).mean() < 60


@pytest.mark.parametrize(
    ("aspect", "short_side", "size"),
    [(1.0, 160, (160, 160)), (4 / 3, 160, (160, 213)), (0.75, 96, (128, 96))],
)
def test_short_side_and_aspect_give_the_size(aspect: float, short_side: int, size: tuple[int, int]) -> None:
    assert scene_size(aspect, short_side) == size
    assert render_scene(Scene(0, Background("tiles", 0), (), aspect), short_side).image.shape[:2] == size


@pytest.mark.parametrize("short_side", [0, 31, 5000])
def test_unusable_short_sides_are_refused(short_side: int) -> None:
    with pytest.raises(InputError, match=str(short_side)):
        render_scene(_alone("car", "red"), short_side)


def test_sheet_outlines_targets_and_holds_every_cell(rendered: list[RenderedScene]) -> None:
    cells = [
        SheetCell(scene.image, list(scene.masks[:1]), "segment the leftmost thing") for scene in rendered[:4]
    ]
    sheet = np.asarray(scene_sheet(cells, columns=3))
    single = np.asarray(scene_sheet(cells[:1], columns=3))
    assert sheet.shape[0] > single.shape[0] * 1.7
    assert sheet.shape[1] > single.shape[1] * 2.7
    assert (single == np.array((0, 114, 178))).all(axis=2).sum() > 50
    assert scene_sheet([]).width > 0
