"""Instructions in own words: visible answers, on scenes of no split, in words of no template."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.structures.masks import decode_rle
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.language.sayings_table import load_sayings
from instructsam.world.language.templates import COMMON_TEMPLATES, OWN_TEMPLATES
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import render_scene
from instructsam.world.splits import own_words as module
from instructsam.world.splits.own_words import SETTINGS, own_lines, own_words
from instructsam.world.splits.stream import SPLITS

LINES = own_lines()
SCENES = sorted({int(line["scene"]) for line in LINES})
STYLES = ("parent", "engineer", "dreamer")
# A digest of the scenes. If it changes, the answers must be chosen again, those without target first.
CONTENT = "15ea902f53da24e5"


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9'-]+", text.lower()))


def test_180_instructions_on_sixty_scenes_that_no_split_has() -> None:
    assert len(LINES) == 180
    assert len(SCENES) == 60
    assert all(sum(line["scene"] == seed for line in LINES) == 3 for seed in SCENES)
    assert {seed % 16 for seed in SCENES} == {15}
    assert 15 not in SPLITS.values()
    assert sum(not any(phrase["objects"] for phrase in line["phrases"]) for line in LINES) == 27
    assert len({plain(line["instruction"]) for line in LINES}) == 180


def test_open_and_closed_part_share_no_scene_and_have_every_new_style() -> None:
    scenes = {part: {line["scene"] for line in own_lines(part)} for part in ("open", "closed")}
    assert len(own_lines("open")) == len(own_lines("closed")) == 90
    assert not scenes["open"] & scenes["closed"]
    counts = Counter((line["style"], line["part"]) for line in LINES)
    new = {(style, part): size for style in STYLES for part, size in (("open", 10), ("closed", 30))}
    assert counts == {("first", "open"): 60, **new}
    assert {line["style"] for line in LINES[:60]} == {"first"}


def test_the_scenes_are_those_of_the_written_answers() -> None:
    found = [
        (thing.kind, thing.color, thing.size, thing.pattern, thing.shelf, thing.center)
        for seed in SCENES
        for thing in sample_scene(seed, SETTINGS).objects
    ]
    content = json.dumps([[*one[:5], *(round(value, 3) for value in one[5])] for one in found])
    assert hashlib.sha256(content.encode()).hexdigest()[:16] == CONTENT


def test_every_answer_is_visible() -> None:
    for seed in SCENES:
        facts = Facts.of(render_scene(sample_scene(seed, SETTINGS), 64))
        for line in LINES:
            if line["scene"] == seed:
                for phrase in line["phrases"]:
                    indices = [one["index"] for one in phrase["objects"]]
                    assert len(set(indices)) == len(indices)
                    assert all(facts.objects[index].visible > 0.5 for index in indices), line


def shapes_of(texts: Iterable[str]) -> list[re.Pattern[str]]:
    """Patterns of the texts with slots that have at least four fixed words."""
    parts = [[plain(part) for part in re.split(r"\{\w+\}", text)] for text in texts]
    long = [fixed for fixed in parts if sum(len(part.split()) for part in fixed) >= 4]
    return [re.compile(" ?(.+) ?".join(re.escape(part) for part in fixed)) for fixed in long]


def test_no_instruction_follows_a_template() -> None:
    templates = [*COMMON_TEMPLATES, *(one for table in OWN_TEMPLATES.values() for one in table)]
    shapes = shapes_of(template.text for template in templates)
    texts = [plain(line["instruction"]) for line in LINES]
    assert not [(text, shape.pattern) for text in texts for shape in shapes if shape.fullmatch(text)]
    rng = np.random.default_rng(5)
    for seed in SCENES[:6]:
        facts = Facts.of(render_scene(sample_scene(seed, SETTINGS), 64))
        generated = {plain(one.text) for one in instructions_about(facts, rng, 60)}
        assert not generated & set(texts)


def test_no_instruction_of_the_new_styles_follows_a_saying() -> None:
    """Reports scenes and styles only, so that a failure does not reveal the closed part."""
    tables = [table for name in ("sayings", "paraphrases") for table in load_sayings(name).values()]
    shapes = shapes_of(one.text for table in tables for sayings in table.values() for one in sayings)
    assert len(shapes) > 1000
    copied = [
        (line["scene"], line["style"])
        for line in LINES[60:]
        if any(shape.fullmatch(plain(line["instruction"])) for shape in shapes)
    ]
    assert copied == []


def test_records_carry_the_masks_of_the_answers() -> None:
    pairs = list(own_words())
    drawn = {seed: render_scene(sample_scene(seed, SETTINGS), 256) for seed in SCENES[:3]}
    for (image, record), line in zip(pairs[:9], LINES[:9], strict=True):
        rendered = drawn[line["scene"]]
        assert record.instruction == line["instruction"]
        assert np.array_equal(np.asarray(image), rendered.image)
        for phrase, written in zip(record.phrases, line["phrases"], strict=True):
            assert phrase.text == written["text"]
            for one, answer in zip(phrase.instances, written["objects"], strict=True):
                assert np.array_equal(decode_rle(one.rle), rendered.masks[answer["index"]])
        assert (record.meta["style"], record.meta["part"]) == (line["style"], line["part"])
    assert pairs[0][0] is pairs[2][0]
    assert len({record.id for _, record in pairs}) == 180
    assert len(list(own_words(2))) == 2


@pytest.mark.parametrize(("index", "found"), [(0, "red fish"), (99, "nothing")])
def test_an_answer_that_became_another_object_is_an_error(
    monkeypatch: pytest.MonkeyPatch, index: int, found: str
) -> None:
    line: dict[str, Any] = json.loads(json.dumps(LINES[0]))
    line["phrases"][0]["objects"][0]["index"] = index
    monkeypatch.setattr(module, "own_lines", lambda part: [line])
    with pytest.raises(InputError, match=rf"object {index} of scene 15 .* purple snail, but it is {found}"):
        list(own_words())
