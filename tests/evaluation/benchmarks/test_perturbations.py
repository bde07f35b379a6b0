"""Changed pictures keep answers that the programs prove again."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import Record
from instructsam.evaluation.benchmarks.perturbations import (
    PERTURBATIONS,
    LeftOutError,
    brightness,
    crop,
    crop_window,
    cropped_facts,
    flip,
    jpeg,
    scene_of,
    swap_program,
    swap_sides,
)
from instructsam.structures.masks import decode_rle
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.facts import Facts
from instructsam.world.splits.build import benchmark_records
from instructsam.world.splits.own_words import own_words
from tests.evaluation.fakes import RECORDS

PAIRS = list(islice(benchmark_records("val"), 60))


def masks(record: Record) -> list[np.ndarray]:
    return [decode_rle(one.rle) for phrase in record.phrases for one in phrase.instances]


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("the leftmost mug right of the bus", "the rightmost mug left of the bus"),
        ("Left-hand side, RIGHT half", "Right-hand side, LEFT half"),
        ("further right than the second from the left", "further left than the second from the right"),
        ("left_of", "right_of"),
        ("bright lights, a cleft, rights and righteous", "bright lights, a cleft, rights and righteous"),
    ],
)
def test_sides_are_swapped_in_whole_words_both_at_once(text: str, swapped: str) -> None:
    assert swap_sides(text) == swapped
    assert swap_sides(swapped) == text


def test_flipping_twice_changes_nothing() -> None:
    changed = 0
    for image, record in PAIRS:
        try:
            once = flip(image, record)
        except LeftOutError:
            continue
        twice = flip(*once)
        assert twice[1] == record
        assert np.array_equal(np.asarray(twice[0]), np.asarray(image))
        for before, after in zip(masks(record), masks(once[1]), strict=True):
            assert np.array_equal(before[:, ::-1], after)
        changed += once[1].instruction != record.instruction
    assert changed > 5


def test_the_swapped_program_has_the_same_answer_in_the_mirrored_scene() -> None:
    swapped = 0
    for image, record in PAIRS:
        rendered = scene_of(image, record)
        assert rendered is not None
        facts = Facts.of(rendered)
        mirror = replace(facts, objects=tuple(replace(one, x=1 - one.x) for one in facts.objects), answers={})
        for data in record.meta["program"]["phrases"]:
            other = swap_program(data)
            swapped += other != data
            assert from_dict(other).answer(mirror) == from_dict(data).answer(facts)
    assert swapped > 5


def test_few_records_of_the_world_are_left_out_of_the_flip() -> None:
    out = 0
    for image, record in PAIRS:
        try:
            flip(image, record)
        except LeftOutError:
            out += 1
    assert out <= len(PAIRS) // 10


def test_a_question_may_end_in_a_side() -> None:
    record = replace(RECORDS[0], instruction="which bar is second from the right?")
    assert flip(Image.new("RGB", (40, 20)), record)[1].instruction == "which bar is second from the left?"


@pytest.mark.parametrize(
    "text",
    ["all right, the first bar", "what is left", "all that was left", "am I right?", "the bars, right?"],
)
def test_sides_that_are_no_sides_are_left_out(text: str) -> None:
    with pytest.raises(LeftOutError, match="may not be a direction"):
        flip(Image.new("RGB", (40, 20)), replace(RECORDS[0], instruction=text))


def test_words_and_program_must_name_the_same_sides() -> None:
    image, record = next(pair for pair in PAIRS if "left" not in str(pair[1].meta["program"]))
    with pytest.raises(LeftOutError, match="same sides"):
        flip(image, replace(record, instruction="the one on the left"))


def test_a_crop_holds_every_object_whole_and_keeps_the_answer() -> None:
    kept = 0
    for image, record in PAIRS:
        try:
            small, changed = crop(image, record)
        except LeftOutError:
            continue
        kept += 1
        rendered = scene_of(image, record)
        assert rendered is not None
        left, top, right, bottom = window = crop_window(rendered)
        assert window == crop_window(rendered)
        assert small.size == (changed.image.width, changed.image.height) == (right - left, bottom - top)
        inside = rendered.masks[:, top:bottom, left:right]
        assert inside.sum() == rendered.masks.sum()
        for before, after in zip(masks(record), masks(changed), strict=True):
            assert np.array_equal(before[top:bottom, left:right], after)
        assert changed.instruction == record.instruction
        assert "half" not in record.instruction
        ops = str(record.meta["program"])
        assert "position" not in ops
        assert "onshelf" not in ops
        assert "'size'" not in ops
    assert kept > 5


def test_facts_of_a_crop_are_those_of_its_pixels() -> None:
    image, record = PAIRS[0]
    rendered = scene_of(image, record)
    assert rendered is not None
    left, top, right, bottom = window = crop_window(rendered)
    moved = np.array((left, top, left, top), dtype=np.float32)
    cut = replace(
        rendered,
        image=rendered.image[top:bottom, left:right],
        masks=rendered.masks[:, top:bottom, left:right],
        full_boxes_xyxy=rendered.full_boxes_xyxy - moved,
    )
    made, expected = cropped_facts(Facts.of(rendered), rendered.image.shape[:2], window), Facts.of(cut)
    assert (made.aspect, made.shelves) == (expected.aspect, expected.shelves)
    assert window != (0, 0, *image.size)
    for one, other in zip(made.objects, expected.objects, strict=True):
        for name in ("x", "y", "width", "height", "area"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-5), name


@pytest.mark.parametrize(
    ("instruction", "reason"), [("the mugs in the corner", "place"), ("the mugs", "scene .* not known")]
)
def test_a_crop_that_proves_nothing_is_left_out(instruction: str, reason: str) -> None:
    program = {"phrases": [{"op": "filter", "source": {"op": "all"}, "attribute": "kind", "value": "mug"}]}
    record = replace(PAIRS[0][1], instruction=instruction, meta={"program": program, "scene_seed": 15})
    with pytest.raises(LeftOutError, match=reason):
        crop(PAIRS[0][0], record)


def test_own_words_are_flipped_but_not_cropped() -> None:
    image, record = next(own_words(1))
    assert flip(image, record)[1].instruction == record.instruction
    with pytest.raises(LeftOutError, match="no program"):
        crop(image, record)


def test_light_and_compression_leave_the_record_alone() -> None:
    image, record = PAIRS[0]
    before = np.asarray(image).astype(int)
    dark, light, stored = (change(image, record) for change in (brightness(0.7), brightness(1.3), jpeg(30)))
    assert dark[1] == light[1] == stored[1] == record
    assert np.abs(np.asarray(dark[0]) - before * 0.7).max() <= 1
    assert np.abs(np.asarray(light[0]) - np.minimum(before * 1.3, 255)).max() <= 1
    assert 0 < np.abs(np.asarray(stored[0]).astype(int) - before).mean() < 20
    assert list(PERTURBATIONS) == ["flip", "crop", "jpeg 30", "brightness -30%", "brightness +30%"]
