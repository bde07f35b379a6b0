"""Captions name everything that is seen, in order."""

from __future__ import annotations

from instructsam.world.instructions.caption import ORDERS, caption
from instructsam.world.scenes.facts import Facts
from instructsam.world.splits.stream import WorldSettings, world_sample


def test_captions_run_along_an_axis() -> None:
    for index in range(12):
        rendered = world_sample(3, index, WorldSettings(short_sides=(64,), instructions_per_scene=1)).rendered
        seen = Facts.of(rendered).seen.objects
        for order, (request, _) in enumerate(ORDERS):
            given, answer = caption(rendered, order)
            assert given == request
            words = answer.split(", ")
            expected = sorted(seen, key=lambda fact: (fact.x, fact.y)[order])
            patterns = ["" if fact.pattern == "plain" else f" {fact.pattern}" for fact in expected]
            assert words == [
                f"{fact.size}{pattern} {fact.color} {fact.kind}"
                for fact, pattern in zip(expected, patterns, strict=True)
            ]
