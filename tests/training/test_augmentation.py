"""Augmentation: words, geometry and that it is a function of seed and position."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from instructsam.data.sample import SampleInstruction, SamplePhrase, TrainingSample, relative_boxes_cxcywh
from instructsam.errors import ConfigError
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.training.augmentation.geometry import (
    crop,
    draw_region,
    mirror,
    named_objects,
    resize,
    target_region,
)
from instructsam.training.augmentation.pipeline import augment
from instructsam.training.augmentation.settings import AugmentSettings
from instructsam.training.augmentation.words import allowed_by, allows_crop, allows_grey, mirrored

ALL = AugmentSettings(crop=1, scale=0.5, flip=1, grey=0.5, blur=0.5, jpeg=0.5, crop_area=(0.1, 0.6))
NO_FLIP = [
    "what is left?", "the guy left", "the right tool to cut", "the text says stop", "bus 23", "the 'exit' door",
    'the sign "left"', "das linke Auto", "la taza de la izquierda", "das Mädchen", "the clock", "the east gate",
    "the left over food", "topleft donut",
    "rightside guy", "the left's mug", "lft cup", "man on r", "right-angled shelf",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the mug on the left", "the mug on the right"),
        ("Leftmost cup", "Rightmost cup"),
        ("the RIGHT-HAND drawer", "the LEFT-HAND drawer"),
        ("left mug", "right mug"),
        ("2nd from left", "2nd from right"),
        ("the mug that is left of the bus", "the mug that is right of the bus"),
        ("cups to the left and right of it", "cups to the right and left of it"),
        ("the dog on the left in the grass", "the dog on the right in the grass"),
        ("what is left over", "what is left over"),
        ("the leftovers", "the leftovers"),
        ("the man right next to the bus", "the man right next to the bus"),
        ("the bright cleft in the rock", "the bright cleft in the rock"),
        *((text, None) for text in NO_FLIP),
    ],
)
def test_side_words_are_swapped_or_the_text_is_never_mirrored(text: str, expected: str | None) -> None:
    assert mirrored(text) == expected
    if expected is not None:
        assert mirrored(expected) == text


def test_words_about_the_whole_picture_allow_no_crop() -> None:
    for text in ("leftmost", "in the middle", "the second from left", "the largest dog", "three apples", "topmost one",
                 "the man behind her", "das Mädchen", "the mug next to the plate", "3rd car",
                 "topleft donut"):  # fmt: skip
        assert not allows_crop(text), text
    for text in (
        "red mugs",
        "something to sit on",
        "the man with a hat",
        "cups on the table",
        "the upright bright lamp",
    ):
        assert allows_crop(text), text
    assert not allows_grey("the red mug")
    assert allows_grey("a fish on a dish")


def sample(rng: np.random.Generator, objects: int, texts: tuple[str, ...] = ("mugs",)) -> TrainingSample:
    """Rectangles; the last object is ignored, the others belong to the phrases in turn, some to none."""
    height, width = (int(side) for side in rng.integers(12, 60, 2))
    masks = np.zeros((objects + 1, height, width), np.bool_)
    known = []
    for mask in masks:
        y, x = int(rng.integers(height)), int(rng.integers(width))
        size = rng.integers(1, 15, 2) if len(known) % 3 else (1, 1)
        mask[y : y + size[0], x : x + size[1]] = True
        known.append("mask" if len(known) % 3 else "point")
    owner = rng.integers(0, len(texts) + 1, objects)
    instructions = tuple(
        SampleInstruction(
            text,
            (SamplePhrase(text, tuple(int(n) for n in np.flatnonzero(owner == number))),),
            (objects,),
            "phrase",
        )
        for number, text in enumerate(texts)
    )
    return TrainingSample(
        "drawn", rng.integers(0, 256, (height, width, 3), dtype=np.uint8), instructions,
        relative_boxes_cxcywh(masks), masks, np.arange(objects + 1)[:, None], (), tuple(known),  # type: ignore[arg-type]
    )  # fmt: skip


def targets(of: TrainingSample) -> list[list[int]]:
    """Classes, which tell objects apart, of the instances of every phrase."""
    assert of.classes is not None
    return [
        [int(of.classes[number, 0]) for number in phrase.instances]
        for instruction in of.instructions
        for phrase in instruction.phrases
    ]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), objects=st.integers(0, 6))
def test_a_crop_cuts_no_target_and_moves_everything_along(seed: int, objects: int) -> None:
    rng = np.random.default_rng(seed)
    whole = sample(rng, objects, ("mugs", "cups"))
    size = whole.image.shape[:2]
    region = draw_region(rng, (size[0], size[1]), target_region(whole), (0.05, 0.8))
    left, top, right, bottom = region
    assert 0 <= left < right <= size[1]
    assert 0 <= top < bottom <= size[0]
    part = crop(whole, region, 0.5)
    assert targets(part) == targets(whole)
    assert np.array_equal(part.image, whole.image[top:bottom, left:right])
    assert part.classes is not None
    named = named_objects(part)
    for number, name in enumerate(part.classes[:, 0]):
        back = np.zeros(size, np.bool_)
        back[top:bottom, left:right] = part.masks[number]
        before = whole.masks[name]
        assert part.known[number] == whole.known[name]
        if number in named:
            assert np.array_equal(back, before), "a target was cut"
        elif name != objects:  # the ignored one may show any part
            assert back.sum() >= 0.5 * before.sum()
        assert np.array_equal(back, before & np.pad(np.ones((bottom - top, right - left), np.bool_),
                                                    ((top, size[0] - bottom), (left, size[1] - right))))  # fmt: skip
    assert np.allclose(part.boxes_cxcywh, relative_boxes_cxcywh(part.masks), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), factor=st.floats(0.1, 1.0))
@example(seed=5282910, factor=0.859375)  # a mask of one row vanishes, and its pixel was one too far left
def test_scaling_keeps_every_object(seed: int, factor: float) -> None:
    whole = sample(np.random.default_rng(seed), 4)
    height, width = whole.image.shape[:2]
    small = resize(whole, (max(1, round(height * factor)), max(1, round(width * factor))))
    assert small.masks.any(axis=(1, 2)).all()
    assert np.array_equal(small.boxes_cxcywh, whole.boxes_cxcywh)
    found = relative_boxes_cxcywh(small.masks)[:, :2] - whole.boxes_cxcywh[:, :2]
    assert (np.abs(found) * small.image.shape[1::-1] <= 1.01).all(), "a mask moved by more than a pixel"


def test_mirroring_twice_gives_the_same_sample() -> None:
    whole = sample(np.random.default_rng(1), 5, ("the mug on the left", "red cups"))
    once = mirror(whole)
    assert once.instructions[0].text == "the mug on the right"
    assert np.array_equal(once.image, whole.image[:, ::-1])
    assert np.allclose(once.boxes_cxcywh, relative_boxes_cxcywh(once.masks), atol=1e-6)
    twice = mirror(once)
    assert twice.instructions == whole.instructions
    assert np.array_equal(twice.masks, whole.masks)
    assert np.array_equal(twice.image, whole.image)
    assert np.allclose(twice.boxes_cxcywh, whole.boxes_cxcywh, atol=1e-6)


def test_one_instruction_decides_for_its_image() -> None:
    rng = np.random.default_rng(0)
    assert allowed_by(sample(rng, 3, ("cups", "mugs"))).crop
    mixed = allowed_by(sample(rng, 3, ("cups", "the leftmost mug")))
    assert (mixed.crop, mixed.flip) == (False, True)
    plain = sample(rng, 3, ("EXIT",))
    ocr = replace(plain, instructions=(replace(plain.instructions[0], family="OCR"),))
    assert allowed_by(plain).flip
    assert not allowed_by(ocr).flip


def pixels(of: TrainingSample) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    return of.image, of.masks


def test_it_is_a_function_of_seed_and_position() -> None:
    whole = sample(np.random.default_rng(3), 4)
    made = [augment(whole, 5, position, ALL) for position in range(12)]
    again = [augment(whole, 5, position, ALL) for position in range(12)]
    for one, other in zip(made, again, strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.masks, other.masks)
        assert one.instructions == other.instructions
    assert len({one.image.tobytes() for one in made}) == 12
    assert all(targets(one) == targets(whole) for one in made)
    assert augment(whole, 5, 0, AugmentSettings()) is whole
    flips = AugmentSettings(flip=0.5)
    flipped = [not np.array_equal(augment(whole, 5, k, flips).image, whole.image) for k in range(200)]
    more = [augment(whole, 5, k, AugmentSettings(flip=0.5, jpeg=1)).masks for k in range(200)]
    assert 70 < sum(flipped) < 130
    assert flipped == [not np.array_equal(masks, whole.masks) for masks in more], (
        "another change moved the flips"
    )


def test_the_targets_of_a_crop_keep_room_around_them() -> None:
    whole = sample(np.random.default_rng(8), 5)
    box = mask_boxes_xyxy(whole.masks[sorted(named_objects(whole))])
    region = target_region(whole, 0.5)
    assert region is not None
    left, top, right, bottom = region
    width = box[:, 2].max() - box[:, 0].min()
    assert left == max(0, int(box[:, 0].min() - width / 2))
    assert right == min(whole.image.shape[1], int(np.ceil(box[:, 2].max() + width / 2)))
    assert top <= box[:, 1].min()
    assert bottom >= box[:, 3].max()


def test_shares_of_the_area_are_in_order() -> None:
    with pytest.raises(ConfigError, match="crop_area must be the smallest and the largest share"):
        AugmentSettings(crop_area=(0.9, 0.4))
