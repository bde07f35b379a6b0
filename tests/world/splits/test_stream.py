"""The stream: sample number n of a seed never changes, and splits share no scene."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from scipy.ndimage import label

from instructsam.errors import ConfigError
from instructsam.world.instructions.free import FreeSettings
from instructsam.world.language.styles import load_styles
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS
from instructsam.world.scenes.render import render_scene
from instructsam.world.scenes.scene import LAYOUTS, PILES
from instructsam.world.splits.stream import SPLITS, WorldSettings, all_texts, scene_settings, world_sample

SMALL = WorldSettings(short_sides=(64,), instructions_per_scene=3)


def test_a_sample_is_a_pure_function_of_seed_and_index() -> None:
    first = world_sample(3, 5, SMALL)
    world_sample(9, 9, SMALL)
    again = world_sample(3, 5, SMALL)
    assert first.rendered.scene == again.rendered.scene
    assert np.array_equal(first.rendered.image, again.rendered.image)
    assert np.array_equal(first.rendered.masks, again.rendered.masks)
    assert first.instructions == again.instructions


def test_samples_differ_by_seed_index_and_split() -> None:
    settings = [WorldSettings(short_sides=(32,), instructions_per_scene=1, split=split) for split in SPLITS]
    seeds = [
        world_sample(seed, index, one).rendered.scene.seed
        for one in settings
        for seed in range(2)
        for index in range(2)
    ]
    assert len(set(seeds)) == len(seeds)
    assert [seed % 16 for seed in seeds] == [code for code in SPLITS.values() for _ in range(4)]


def test_settings_are_followed() -> None:
    settings = WorldSettings(short_sides=(48, 72), instructions_per_scene=2, min_objects=2, max_objects=3)
    drawn = [world_sample(1, index, settings) for index in range(12)]
    assert {min(sample.rendered.image.shape[:2]) for sample in drawn} == {48, 72}
    assert all(len(sample.instructions) == 2 for sample in drawn)
    assert all(len(sample.rendered.scene.objects) <= 3 for sample in drawn)


@pytest.mark.parametrize(
    ("seed", "index", "split", "message"),
    [
        (0, 0, "dev", r"one of train, val, test, unseen_wording, .*, got 'dev'"),
        (-1, 0, "train", "must not be negative"),
        (0, -2, "train", "must not be negative"),
    ],
)
def test_bad_arguments(seed: int, index: int, split: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        world_sample(seed, index, WorldSettings(split=split))


def test_texts_for_the_tokenizer() -> None:
    texts = list(all_texts(150, seed=4))
    assert len(texts) == 150
    assert texts == list(islice(all_texts(200, seed=4), 150))
    assert " object" in " ".join(texts)


def test_families_can_be_chosen() -> None:
    settings = WorldSettings(short_sides=(64,), families=("category", "attribute"))
    families = {i.family for index in range(10) for i in world_sample(3, index, settings).instructions}
    assert families == {"category", "attribute"}
    with pytest.raises(ConfigError, match=r"families must be some of category, .* got riddles"):
        world_sample(3, 0, WorldSettings(families=("riddles",)))


def styles_in(settings: WorldSettings, scenes: int) -> list[str]:
    """The style of every instruction; empty for a template."""
    drawn = [made for index in range(scenes) for made in world_sample(2, index, settings).instructions]
    assert len(drawn) == scenes * settings.instructions_per_scene
    styles = [made.template.partition(": ")[0] for made in drawn]
    return [style if style in load_styles() else "" for style in styles]


def test_a_share_of_the_instructions_is_free() -> None:
    settings = WorldSettings(short_sides=(64,), free_share=0.5)
    assert 0.35 < np.mean([bool(style) for style in styles_in(settings, 12)]) < 0.65
    assert not any(styles_in(WorldSettings(short_sides=(64,)), 3))
    with pytest.raises(ConfigError, match=r"in \[0, 1\], got 1.5"):
        world_sample(0, 0, WorldSettings(free_share=1.5))


def test_family_shares_hold_for_free_instructions() -> None:
    free = FreeSettings(absent_words=0.0)
    settings = WorldSettings(short_sides=(64,), free_share=1.0, families=("comparison", "multi"), free=free)
    drawn = [made.family for index in range(6) for made in world_sample(3, index, settings).instructions]
    assert set(drawn) == {"comparison", "multi"}


def test_styles_of_a_split_are_in_no_other() -> None:
    styles = load_styles()
    for split, own in (("unseen_style", "test"), ("val_unseen_style", "val")):
        found = set(styles_in(WorldSettings(short_sides=(64,), split=split), 3))
        assert found == {name for name, style in styles.items() if style.split == own}
    trained = set(styles_in(WorldSettings(short_sides=(64,), free_share=1.0), 3))
    assert trained <= {name for name, style in styles.items() if style.split == "train"}


def pairs_of(split: str, count: int) -> list[set[tuple[str, str]]]:
    settings = scene_settings(WorldSettings(split=split))
    scenes = [sample_scene(seed, settings) for seed in range(count)]
    return [{(thing.kind, thing.color) for thing in scene.objects} for scene in scenes]


def test_in_piles_objects_of_one_colour_touch() -> None:
    def shares(layouts: tuple[str, ...]) -> tuple[int, int]:
        """Groups of several objects of one colour, and how many of them touch."""
        settings = scene_settings(WorldSettings(min_objects=6, max_objects=10, layouts=layouts))
        several = touching = 0
        for index in range(18):
            rendered = render_scene(sample_scene(16 * index, settings), 64)
            colors = [thing.color for thing in rendered.scene.objects]
            for color in set(colors):
                named = [number for number, other in enumerate(colors) if other == color]
                if len(named) > 1:
                    parts = label(rendered.masks[named].any(0), np.ones((3, 3)))[1]
                    several, touching = several + 1, touching + (parts < len(named))
        return several, touching

    several, touching = shares((PILES,))
    assert several > 20
    assert touching > 0.6 * several
    several, touching = shares(LAYOUTS)
    assert several > 20
    assert touching < 0.3 * several


def test_held_out_pairs_are_in_no_other_split() -> None:
    for split in SPLITS:
        if split != "unseen_pairs":
            assert not set().union(*pairs_of(split, 6)) & HELD_OUT_PAIRS
    assert all(pairs & HELD_OUT_PAIRS for pairs in pairs_of("unseen_pairs", 12))


def test_targets_of_the_unseen_pairs_include_one() -> None:
    settings = WorldSettings(short_sides=(64,), instructions_per_scene=4, split="unseen_pairs")
    for sample in (world_sample(5, index, settings) for index in range(10)):
        new = {
            fact.index
            for fact in Facts.of(sample.rendered).seen.objects
            if (fact.kind, fact.color) in HELD_OUT_PAIRS
        }
        for instruction in sample.instructions:
            targets = {index for phrase in instruction.phrases for index in phrase.instances}
            assert not targets or targets & new, instruction.text


def test_crowded_scenes_have_more_objects_than_training() -> None:
    settings = WorldSettings(short_sides=(64,), instructions_per_scene=2, split="crowded")
    counts = {len(world_sample(2, index, settings).rendered.scene.objects) for index in range(8)}
    assert min(counts) > WorldSettings().max_objects
    assert max(counts) <= 14


def test_only_training_text_has_typos(monkeypatch: pytest.MonkeyPatch) -> None:
    from instructsam.world.instructions import generate

    monkeypatch.setattr(generate, "with_typo", lambda rng, text: text + " #")
    monkeypatch.setattr(generate, "TYPO_SHARE", 0.5)
    for split, some in (("train", True), ("val", False), ("test", False), ("unseen_wording", False)):
        settings = WorldSettings(short_sides=(64,), instructions_per_scene=8, split=split)
        texts = [made.text for index in range(2) for made in world_sample(1, index, settings).instructions]
        assert any(text.endswith("#") for text in texts) == some
