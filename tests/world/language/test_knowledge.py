"""Functions of objects: known kinds and several words. Held-out pairs: every kind and colour remains."""

from __future__ import annotations

from collections import Counter

import pytest

from instructsam.world.language.knowledge import DISPUTED_FAMILY, FUNCTIONS
from instructsam.world.scenes.pairs import HELD_OUT_PAIRS
from instructsam.world.scenes.scene import COLORS, FAMILIES, KINDS


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_have_known_kinds_and_several_words(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.kinds
    assert {*function.kinds, *function.disputed} <= set(KINDS)
    assert not set(function.kinds) & set(function.disputed)
    assert len(function.ask) >= 3
    assert len(set(function.that)) >= 2
    assert len(set(function.tails)) >= 2
    assert not any(text.endswith("?") for text in function.ask)


def test_every_kind_has_a_function() -> None:
    assert {kind for function in FUNCTIONS.values() for kind in function.kinds} == set(KINDS)
    assert len(FUNCTIONS) >= 16
    tails = [function.tails[0] for function in FUNCTIONS.values()]
    assert len(set(tails)) == len(tails)


def test_disputed_families_are_families() -> None:
    for family, kinds in DISPUTED_FAMILY.items():
        assert family in FAMILIES
        assert set(kinds) <= set(KINDS)


def test_held_out_pairs_leave_every_kind_and_colour_in_training() -> None:
    kinds, colors = Counter(kind for kind, _ in HELD_OUT_PAIRS), Counter(color for _, color in HELD_OUT_PAIRS)
    assert len(HELD_OUT_PAIRS) == 24
    assert kinds.keys() <= set(KINDS)
    assert set(colors) == set(COLORS)
    assert max(kinds.values()) == 1
    assert max(colors.values()) == 3
