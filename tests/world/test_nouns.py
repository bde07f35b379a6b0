"""Bare noun phrases are true of what they name, and come in three levels."""

from __future__ import annotations

import pytest

from instructsam.world.facts import Facts
from instructsam.world.execute import answer
from instructsam.world.program import from_dict
from instructsam.world.scene import COLORS, KINDS
from instructsam.world.stream import WorldSettings, world_sample


@pytest.mark.parametrize("nouns", ["colors", "kinds", "all"])
def test_phrases_are_true(nouns: str) -> None:
    empty = 0
    for index in range(15):
        settings = WorldSettings(short_sides=(64,), instructions_per_scene=6, nouns=nouns)
        sample = world_sample(2, index, settings)
        facts = Facts.of(sample.rendered)
        texts = [made.text for made in sample.instructions]
        assert len(set(texts)) == len(texts)
        assert texts
        for made in sample.instructions:
            found = made.phrases[0].instances
            empty += not found
            assert answer(from_dict(made.program["phrases"][0]), facts) == found
            for thing in facts.seen.objects:
                words = made.text.split()
                said = [w for w in words if w in COLORS] + [k for k in KINDS if k in made.text]
                is_meant = all(word in (thing.color, thing.kind) for word in said)
                is_meant &= thing.size in words or not {"small", "large"} & set(words)
                assert (thing.index in found) == is_meant
    assert empty > 0


def test_colors_name_colors_only() -> None:
    settings = WorldSettings(short_sides=(64,), instructions_per_scene=8, nouns="colors")
    texts = {made.text for index in range(10) for made in world_sample(2, index, settings).instructions}
    assert texts <= {f"{color} object" for color in COLORS}
