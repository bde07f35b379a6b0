"""The world as a source of training samples."""

from __future__ import annotations

import numpy as np
import pytest

from instructsam.errors import ConfigError
from instructsam.experiments.sources import open_source
from instructsam.training.data_settings import DataSettings
from instructsam.world.scenes.blank import BLANK_KINDS, TRAINING_BLANKS, blank_pictures
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.scene import COLORS, KINDS, PATTERNS, SIZES
from instructsam.world.source import ATTRIBUTES, WorldSource, WorldSourceSettings, object_classes
from instructsam.world.splits.stream import WorldSettings, all_texts, world_sample


def test_a_sample_is_a_scene_with_its_instructions() -> None:
    source = WorldSource(WorldSourceSettings(short_sides=(64,), captions=True), 7, 3, 2)
    sample, scene = source[5], world_sample(7, 5, WorldSettings(short_sides=(64,), instructions_per_scene=3))
    assert np.array_equal(sample.image, scene.rendered.image)
    assert [one.text for one in sample.instructions] == [one.text for one in scene.instructions]
    assert np.array_equal(sample.masks, scene.rendered.masks)
    assert sample.classes is not None
    assert sample.classes.shape == (len(scene.rendered.masks), len(ATTRIBUTES))
    assert [one.request for one in sample.descriptions] == [
        "Describe the picture from left to right.",
        "Describe the picture from top to bottom.",
    ]


def test_texts_for_a_tokenizer_are_half_free() -> None:
    source = WorldSource(WorldSourceSettings(short_sides=(64,)), 7, 3, 2)
    texts = list(source.texts(60))
    assert texts == list(all_texts(60, free_share=0.5))
    assert texts != list(all_texts(60))


def test_an_empty_picture_has_instructions_that_mean_nothing() -> None:
    usual = WorldSource(WorldSourceSettings(short_sides=(64,), captions=True), 7, 3, 2)
    mixed = WorldSource(WorldSourceSettings(short_sides=(64,), captions=True, empty_pictures=0.5), 7, 3, 2)
    empty = [index for index in range(12) if not len(mixed[index].masks)]
    assert 2 < len(empty) < 10
    for index in range(12):
        first, second = usual[index], mixed[index]
        assert [one.text for one in first.instructions] == [one.text for one in second.instructions]
        if index not in empty:
            assert np.array_equal(first.image, second.image)
            continue
        phrases = [phrase for one in second.instructions for phrase in one.phrases]
        assert [one.text for one in phrases] == [p.text for one in first.instructions for p in one.phrases]
        assert not any(one.instances for one in phrases)
        assert second.image.shape == first.image.shape
        assert second.classes is not None
        assert second.classes.shape == (0, len(ATTRIBUTES))
        assert not second.descriptions


def test_empty_pictures_of_training_are_not_those_of_tests() -> None:
    tested = {picture.tobytes() for _, picture in blank_pictures(140, 64)}
    source = WorldSource(WorldSourceSettings(short_sides=(64,), empty_pictures=1.0), 7, 1, 1)
    assert not tested & {source[index].image.tobytes() for index in range(40)}
    assert set(BLANK_KINDS) - set(TRAINING_BLANKS) == {"texture", "checkerboard", "scrambled blocks"}


def test_settings_of_free_instructions_reach_the_stream() -> None:
    settings = WorldSourceSettings(
        short_sides=(64,), free_share=1.0, negatives_per_positive=100.0, look_alikes=0.0, absent_words=1.0
    )
    made = [one for index in range(3) for one in WorldSource(settings, 7, 4, 2)[index].instructions]
    assert len(made) == 12
    assert sum(not any(phrase.instances for phrase in one.phrases) for one in made) > 9
    with pytest.raises(ConfigError, match=r"must not exceed 1 together, got 0\.9 and 0\.25"):
        WorldSourceSettings(look_alikes=0.9)


def test_classes_of_a_scene() -> None:
    scene = sample_scene(5)
    for drawn, row in zip(scene.objects, object_classes(scene).tolist(), strict=True):
        assert KINDS[row[0] - 1] == drawn.kind
        assert list(COLORS)[row[1] - 1] == drawn.color
        assert SIZES[row[2] - 1] == drawn.size
        assert PATTERNS[row[3] - 1] == drawn.pattern


def test_family_shares_reach_the_source() -> None:
    options = {"short_sides": (64,), "families": ("spatial", "logic"), "family_shares": {"logic": 0.0}}
    source = open_source(DataSettings(world=options, instructions_per_image=4), 4, 2)
    assert isinstance(source, WorldSource)
    drawn = {made.family for index in range(6) for made in world_sample(4, index, source.world).instructions}
    assert drawn - {"category"} == {"spatial"}  # a scene without any gets an absent kind


def test_the_fingerprint_follows_settings_and_seed() -> None:
    settings = WorldSourceSettings()
    prints = {
        WorldSource(*arguments).fingerprint
        for arguments in (
            (settings, 1, 4, 2),
            (settings, 2, 4, 2),
            (settings, 1, 5, 2),
            (WorldSourceSettings(captions=True), 1, 4, 2),
        )
    }
    assert len(prints) == 4
