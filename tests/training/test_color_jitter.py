"""Colour jitter: the operation by hand, its draw, and that nothing but pixels changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from instructsam.errors import ConfigError
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.augmentation.color import ColorJitter, apply_color_jitter, draw_color_jitter
from instructsam.training.data_settings import DataSettings
from instructsam.world.scenes.scene import COLORS
from tests.training.test_stream import stream

SETTINGS = DataSettings(images_per_batch=3, instructions_per_image=4, world={"short_sides": (64,)})
NEUTRAL = (1.0, 1.0, 1.0)


def test_jitter_by_hand() -> None:
    image = np.array([[[0, 100, 200], [100, 100, 100]]], dtype=np.uint8)  # its mean is 100
    before = image.copy()
    assert np.array_equal(apply_color_jitter(image, ColorJitter(1.0, 1.0, NEUTRAL)), image)
    assert apply_color_jitter(image, ColorJitter(1.5, 1.0, NEUTRAL)).tolist() == [
        [[0, 150, 255], [150, 150, 150]]
    ]
    assert apply_color_jitter(image, ColorJitter(1.0, 0.5, NEUTRAL)).tolist() == [
        [[50, 100, 150], [100, 100, 100]]
    ]
    assert apply_color_jitter(image, ColorJitter(1.0, 1.2, NEUTRAL)).tolist() == [
        [[0, 100, 220], [100, 100, 100]]
    ]
    assert apply_color_jitter(image, ColorJitter(0.5, 1.0, (1.0, 1.1, 0.9))).tolist() == [
        [[0, 55, 90], [50, 55, 45]]
    ]
    assert apply_color_jitter(image, ColorJitter(0.5, 1.0, NEUTRAL)).dtype == np.uint8
    assert np.array_equal(image, before)


def test_the_draw_fills_its_ranges_and_leaves_a_tenth_unchanged() -> None:
    drawn = [draw_color_jitter(7, position, 0.3) for position in range(2000)]
    jitters = [jitter for jitter in drawn if jitter is not None]
    assert 0.08 < 1 - len(jitters) / len(drawn) < 0.12
    for values, reach in (
        ([jitter.brightness for jitter in jitters], 0.3),
        ([jitter.contrast for jitter in jitters], 0.15),
        *(([jitter.cast[channel] for jitter in jitters], 0.05) for channel in range(3)),
    ):
        assert 1 - reach <= min(values) < 1 - 0.98 * reach
        assert 1 + 0.98 * reach < max(values) <= 1 + reach
        assert np.std(values) == pytest.approx(reach / 3**0.5, rel=0.06)  # uniform
    assert drawn[11] == draw_color_jitter(7, 11, 0.3) != draw_color_jitter(8, 11, 0.3)
    assert all(draw_color_jitter(7, position, 0.0) is None for position in range(50))


def test_a_cast_takes_no_colour_to_another() -> None:
    palette = np.array([list(COLORS.values())], dtype=np.uint8)
    for position in range(300):
        jitter = draw_color_jitter(0, position, 0.3)
        if jitter is not None:
            cast = apply_color_jitter(palette, replace(jitter, brightness=1.0, contrast=1.0)).astype(float)
            apart = np.linalg.norm(cast[0, :, None] - palette[0, None].astype(float), axis=-1)
            assert apart.argmin(axis=1).tolist() == list(range(len(COLORS)))


def test_only_pixels_change_and_they_follow_the_position(processor: InstructSAMProcessor) -> None:
    plain, bright = (
        stream(processor, SETTINGS, 3),
        stream(processor, SETTINGS.model_copy(update={"color_jitter": 0.3}), 3),
    )
    changed = []
    for index in range(6):
        one, other = plain[index], bright[index]
        assert torch.equal(one.inputs.input_ids, other.inputs.input_ids)
        assert (one.direct, one.targets.counts) == (other.direct, other.targets.counts)
        assert torch.equal(one.targets.masks, other.targets.masks)
        pairs = zip(one.inputs.detector_pixel_values, other.inputs.detector_pixel_values, strict=True)
        changed += [not torch.equal(ours, theirs) for ours, theirs in pairs]
    assert changed == [draw_color_jitter(3, position, 0.3) is not None for position in range(18)]
    assert not all(changed)
    single = stream(processor, SETTINGS.model_copy(update={"color_jitter": 0.3, "images_per_batch": 1}), 3)
    pixels = torch.cat([single[position].inputs.detector_pixel_values for position in range(3)])
    assert torch.equal(pixels, bright[0].inputs.detector_pixel_values)


@pytest.mark.parametrize("strength", [-0.1, 0.95, float("nan")])
def test_too_much_jitter_is_refused(strength: float) -> None:
    with pytest.raises(ConfigError, match=r"color_jitter must (lie in \[0, 0.9\]|be a finite number), got"):
        DataSettings(color_jitter=strength)
