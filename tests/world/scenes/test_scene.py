"""What is sampled into a scene."""

from __future__ import annotations

from collections import Counter

import pytest

from instructsam.errors import InputError
from instructsam.world.scenes.drawings.registry import DRAWINGS
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.random_objects import SCALES
from instructsam.world.scenes.scene import BACKGROUNDS, COLORS, KINDS, Scene, SceneSettings
from tests.world import cached


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [cached.scene(seed) for seed in range(240)]


def test_same_seed_gives_the_same_scene(scenes: list[Scene]) -> None:
    assert [sample_scene(seed) for seed in range(20)] == scenes[:20]
    assert len({scene.objects for scene in scenes}) == len(scenes)


def test_every_kind_has_a_drawing() -> None:
    assert set(DRAWINGS) == set(KINDS)


def test_everything_that_may_occur_does_occur(scenes: list[Scene]) -> None:
    things = [thing for scene in scenes for thing in scene.objects]
    assert {thing.kind for thing in things} == set(KINDS)
    assert {thing.color for thing in things} == set(COLORS)
    assert {thing.size for thing in things} == set(SCALES)
    assert {scene.background.style for scene in scenes} == set(BACKGROUNDS)
    assert {len(scene.objects) for scene in scenes} == set(range(1, 9))


def test_sizes_differ_in_scale(scenes: list[Scene]) -> None:
    for thing in (thing for scene in scenes for thing in scene.objects):
        low, high = SCALES[thing.size]
        assert low <= thing.scale <= high
        assert thing.tilt == int(thing.tilt)
        assert abs(thing.tilt) <= DRAWINGS[thing.kind].max_tilt
    assert SCALES["small"][1] * 1.3 < SCALES["large"][0]


def test_groups_of_a_kind_and_of_a_colour_are_frequent(scenes: list[Scene]) -> None:
    full = [scene for scene in scenes if len(scene.objects) >= 5]
    with_pair = sum(Counter(t.kind for t in scene.objects).most_common(1)[0][1] >= 2 for scene in full)
    with_color = sum(Counter(t.color for t in scene.objects).most_common(1)[0][1] >= 2 for scene in full)
    assert with_pair > 0.7 * len(full)
    assert with_color > 0.7 * len(full)


@pytest.mark.parametrize("count", [1, 8, 14])
def test_the_least_number_of_objects_is_kept(count: int) -> None:
    settings = SceneSettings(min_objects=count, max_objects=count, aspects=(1.5,), backgrounds=("wood",))
    for seed in range(4):
        scene = sample_scene(seed, settings)
        assert len(scene.objects) == count
        assert (scene.aspect, scene.background.style) == (1.5, "wood")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"min_objects": 0}, "min_objects=0"),
        ({"min_objects": 5, "max_objects": 4}, "max_objects=4"),
        ({"max_objects": 15}, "max_objects=15"),
        ({"aspects": (3.0,)}, "aspects"),
        ({"aspects": ()}, "aspects"),
        ({"backgrounds": ("lava",)}, "lava"),
    ],
)
def test_impossible_settings_are_refused(choices: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SceneSettings(**choices)  # type: ignore[arg-type]
