"""Training pictures in other light: the operation by hand, its draw, and that nothing but pixels changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from instructsam.errors import ConfigError
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.augment import Light, draw_light, lit
from instructsam.training.settings import DataSettings
from instructsam.training.stream import WorldBatches
from instructsam.world.scenes.scene import COLORS

SETTINGS = DataSettings(scenes_per_batch=3, instructions_per_scene=4, short_sides=(64,))
NEUTRAL = (1.0, 1.0, 1.0)


def test_light_by_hand() -> None:
    image = np.array([[[0, 100, 200], [100, 100, 100]]], dtype=np.uint8)  # its mean is 100
    before = image.copy()
    assert np.array_equal(lit(image, Light(1.0, 1.0, NEUTRAL)), image)
    assert lit(image, Light(1.5, 1.0, NEUTRAL)).tolist() == [[[0, 150, 255], [150, 150, 150]]]
    assert lit(image, Light(1.0, 0.5, NEUTRAL)).tolist() == [[[50, 100, 150], [100, 100, 100]]]
    assert lit(image, Light(1.0, 1.2, NEUTRAL)).tolist() == [[[0, 100, 220], [100, 100, 100]]]
    assert lit(image, Light(0.5, 1.0, (1.0, 1.1, 0.9))).tolist() == [[[0, 55, 90], [50, 55, 45]]]
    assert lit(image, Light(0.5, 1.0, NEUTRAL)).dtype == np.uint8
    assert np.array_equal(image, before)


def test_the_draw_fills_its_ranges_and_leaves_a_tenth_as_drawn() -> None:
    drawn = [draw_light(7, position, 0.3) for position in range(2000)]
    lights = [light for light in drawn if light is not None]
    assert 0.08 < 1 - len(lights) / len(drawn) < 0.12
    for values, reach in (
        ([light.brightness for light in lights], 0.3),
        ([light.contrast for light in lights], 0.15),
        *(([light.cast[channel] for light in lights], 0.05) for channel in range(3)),
    ):
        assert 1 - reach <= min(values) < 1 - 0.98 * reach
        assert 1 + 0.98 * reach < max(values) <= 1 + reach
        assert np.std(values) == pytest.approx(reach / 3**0.5, rel=0.06)  # uniform
    assert drawn[11] == draw_light(7, 11, 0.3) != draw_light(8, 11, 0.3)
    assert all(draw_light(7, position, 0.0) is None for position in range(50))


def test_a_cast_takes_no_colour_to_another() -> None:
    palette = np.array([list(COLORS.values())], dtype=np.uint8)
    for position in range(300):
        light = draw_light(0, position, 0.3)
        if light is not None:
            cast = lit(palette, replace(light, brightness=1.0, contrast=1.0)).astype(float)
            apart = np.linalg.norm(cast[0, :, None] - palette[0, None].astype(float), axis=-1)
            assert apart.argmin(axis=1).tolist() == list(range(len(COLORS)))


def test_only_pixels_change_and_they_follow_the_position(processor: InstructSAMProcessor) -> None:
    plain, bright = (
        WorldBatches(processor, SETTINGS, 3),
        WorldBatches(processor, SETTINGS.model_copy(update={"light": 0.3}), 3),
    )
    changed = []
    for index in range(6):
        one, other = plain[index], bright[index]
        assert torch.equal(one.inputs.input_ids, other.inputs.input_ids)
        assert (one.direct, one.phrase_instances) == (other.direct, other.phrase_instances)
        for ours, theirs in zip(one.scene_masks, other.scene_masks, strict=True):
            assert np.array_equal(ours, theirs)
        pairs = zip(one.inputs.detector_pixel_values, other.inputs.detector_pixel_values, strict=True)
        changed += [not torch.equal(ours, theirs) for ours, theirs in pairs]
    assert changed == [draw_light(3, position, 0.3) is not None for position in range(18)]
    assert not all(changed)
    single = WorldBatches(processor, SETTINGS.model_copy(update={"light": 0.3, "scenes_per_batch": 1}), 3)
    pixels = torch.cat([single[position].inputs.detector_pixel_values for position in range(3)])
    assert torch.equal(pixels, bright[0].inputs.detector_pixel_values)


@pytest.mark.parametrize("light", [-0.1, 0.95, float("nan")])
def test_too_much_light_is_refused(light: float) -> None:
    with pytest.raises(ConfigError, match=r"light must (lie in \[0, 0.9\]|be a finite number), got"):
        DataSettings(light=light)
