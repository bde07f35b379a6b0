"""Bare noun phrases are true of what they name, and come in three levels."""

from __future__ import annotations

import pytest

from instructsam.world.instructions.nouns import Nouns
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.scene import COLORS, FAMILIES, KINDS, PATTERNS, SIZES
from instructsam.world.splits.stream import WorldSettings, world_sample


@pytest.mark.parametrize("nouns", ["colors", "kinds", "all"])
def test_phrases_are_true(nouns: Nouns) -> None:
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
            assert from_dict(made.program["phrases"][0]).answer(facts) == found
            for thing in facts.seen.objects:
                words = made.text.split()
                kinds = [kind for kind in KINDS if made.text.endswith(kind)]
                attributes = [word for word in words if word in (*COLORS, *SIZES, *PATTERNS)] + kinds
                attributes += [family for family in FAMILIES if made.text == family]
                own = (thing.size, thing.pattern, thing.color, thing.kind, thing.family)
                is_meant = all(word in own for word in attributes)
                assert (thing.index in found) == is_meant
    assert empty > 0


def test_colors_name_colors_only() -> None:
    settings = WorldSettings(short_sides=(64,), instructions_per_scene=8, nouns="colors")
    texts = {made.text for index in range(10) for made in world_sample(2, index, settings).instructions}
    assert texts <= {f"{color} object" for color in COLORS}
