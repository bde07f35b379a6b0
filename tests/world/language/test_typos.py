"""One typo, where it may be, and never more."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from instructsam.world.language.typos import _KEYS, with_typo

TEXT = "Could you outline the striped mugs left of the Bus, please?"


def _kind(before: str, after: str) -> str:
    """Which single slip turns one word into the other."""
    if len(after) == len(before) + 1:
        assert any(after == before[:i] + before[i] + before[i:] for i in range(1, len(before)))
        return "doubled"
    if len(after) == len(before) - 1:
        assert any(after == before[:i] + before[i + 1 :] for i in range(1, len(before)))
        return "dropped"
    differ = [i for i, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    if len(differ) == 2:
        first, second = differ
        assert second == first + 1
        assert (after[first], after[second]) == (before[second], before[first])
        return "swapped"
    assert len(differ) == 1
    assert after[differ[0]].lower() in _KEYS[before[differ[0]].lower()]
    return "mistyped"


def test_one_typo_in_one_long_word_and_every_kind_of_it() -> None:
    rng, kinds = np.random.default_rng(0), Counter[str]()
    for _ in range(400):
        before, after = TEXT.split(" "), with_typo(rng, TEXT).split(" ")
        changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1
        word, slipped = (part.strip("?,") for part in changed[0])
        assert len(word) >= 4
        assert slipped[0] == word[0]
        kinds[_kind(word, slipped)] += 1
    assert kinds.keys() == {"swapped", "dropped", "doubled", "mistyped"}
    assert min(kinds.values()) > 50


def test_the_same_generator_gives_the_same_typo() -> None:
    first, second = ([with_typo(np.random.default_rng(seed), TEXT) for seed in range(20)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 5


@pytest.mark.parametrize("text", ["", "the red mug", "1234 5678", "a b c?", "don't"])
def test_short_words_stay(text: str) -> None:
    assert with_typo(np.random.default_rng(0), text) == text


def test_a_plural_stays_a_plural() -> None:
    rng = np.random.default_rng(1)
    slips = {with_typo(rng, "mugs") for _ in range(300)}
    assert "mug" not in slips
    assert {"musg", "mgs", "muggs", "migs"} <= slips


def test_a_word_of_equal_letters_gets_a_typo_too() -> None:
    rng = np.random.default_rng(2)
    assert all(with_typo(rng, "aaaa") != "aaaa" for _ in range(50))


def test_keys_touch_each_other() -> None:
    assert set(_KEYS["g"]) == set("ftyhvb")
    assert set(_KEYS["a"]) == set("qwsz")
    assert all(key in _KEYS[other] for key, others in _KEYS.items() for other in others)
