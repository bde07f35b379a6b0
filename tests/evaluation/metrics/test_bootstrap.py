"""Intervals cover what they should, and are decided by the seed alone."""

from __future__ import annotations

import random

import numpy as np
import pytest

from instructsam.errors import InputError
from instructsam.evaluation.metrics.bootstrap import bootstrap_intervals, paired_differences
from instructsam.evaluation.metrics.scores import InstructionScore
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import bars, random_cases, score


def scored(seed: int, count: int) -> list[InstructionScore]:
    return [
        score_instruction(*case, id=f"{i:03d}", image=f"{i // 2}")
        for i, case in enumerate(random_cases(seed, count))
    ]


def test_every_score_lies_in_its_interval() -> None:
    scores = scored(3, 60)
    entry = summarise(scores)["overall"]
    intervals = bootstrap_intervals(scores, resamples=300)
    for name in (
        "giou",
        "ciou",
        "set_giou",
        "set_ciou",
        "pr50",
        "ap",
        "ap50",
        "ap75",
        "cgf1",
        "n_acc",
        "exact_set",
    ):
        assert intervals[name].low <= entry[name] <= intervals[name].high, name
        assert intervals[name].high - intervals[name].low > 0, name


def test_one_draw_of_everything_equals_the_table() -> None:
    # With one picture every draw is the whole: the interval is the point, for every score.
    scores = [
        score_instruction(*case, id=f"{i:03d}", image="one") for i, case in enumerate(random_cases(5, 12))
    ]
    entry = summarise(scores)["overall"]
    for name, interval in bootstrap_intervals(scores, resamples=3).items():
        assert interval.low == pytest.approx(entry[name], abs=1e-12), name
        assert interval.high == pytest.approx(entry[name], abs=1e-12), name


def test_neither_order_nor_luck_changes_an_interval() -> None:
    scores = scored(4, 20)
    shuffled = scores.copy()
    random.Random(0).shuffle(shuffled)
    assert bootstrap_intervals(scores, 100) == bootstrap_intervals(shuffled, 100)
    assert bootstrap_intervals(scores, 100) != bootstrap_intervals(scores, 100, seed=1)


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    right = [score(bars((0, 10)), [0.9], bars((0, 10)), id=f"r{i}") for i in range(50)]
    wrong = [score(bars((50, 60)), [0.9], bars((0, 10)), id=f"w{i}") for i in range(50)]
    interval = bootstrap_intervals([*right, *wrong])["giou"]
    half = 1.96 * np.sqrt(0.5 * 0.5 / 100)
    assert interval.low == pytest.approx(0.5 - half, abs=0.02)
    assert interval.high == pytest.approx(0.5 + half, abs=0.02)


def test_instructions_about_one_picture_are_drawn_together() -> None:
    def run(image: bool) -> float:
        scores = []
        for i in range(40):
            stop = 60 if i < 20 else 10
            name = f"{i // 10}" if image else ""
            scores.append(score(bars((stop - 10, stop)), [0.9], bars((0, 10)), id=f"{i:02d}", image=name))
        interval = bootstrap_intervals(scores)["giou"]
        return interval.high - interval.low

    assert run(image=True) > 2 * run(image=False)


def test_nothing_has_no_interval() -> None:
    assert bootstrap_intervals([]) == {}
    assert "n_acc" not in bootstrap_intervals([score(bars((0, 1)), [0.9], bars((0, 1)))], 5)
    with pytest.raises(InputError, match="resamples must be a whole number from 1 to 1000000, got int 0"):
        bootstrap_intervals([], 0)


def test_a_paired_difference_by_hand() -> None:
    targets = bars((0, 10))
    a = [score(bars((0, 5 + i % 2)), [0.9], targets, id=f"{i:02d}") for i in range(30)]
    b = [score(bars((0, 6 + i % 2)), [0.9], targets, id=f"{i:02d}") for i in range(30)]
    found = paired_differences(a, b)["giou"]
    assert found.difference == pytest.approx(0.1)
    assert found.interval.low == pytest.approx(0.1)  # the runs differ by .1 everywhere: no doubt is left
    assert found.better == 1.0
    same = paired_differences(a, a)["giou"]
    assert (same.difference, same.better) == (0.0, 0.5)


def test_only_the_same_instructions_can_be_compared() -> None:
    a, b = score(bars(), [], bars(), id="a"), score(bars(), [], bars(), id="b")
    with pytest.raises(InputError, match="got 2 that are in one only, such as 'a'"):
        paired_differences([a], [b])


@pytest.mark.parametrize("resamples", [1, 2, 5, 1000])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_resamples_and_few_records_never_fail(resamples: int, count: int) -> None:
    targets, nothing = bars((0, 10)), bars()
    a = [score(nothing, [], targets if i else nothing, id=f"{i}") for i in range(count)]
    b = [score(targets, [0.9], targets if i else nothing, id=f"{i}") for i in range(count)]
    for seed in range(5):
        found = paired_differences(a, b, resamples, seed)
        assert found["n_acc"].difference == -1.0
        for one in found.values():
            assert (one.interval is None) == (one.better is None)
        assert all(
            interval.low <= interval.high for interval in bootstrap_intervals(b, resamples, seed).values()
        )


def test_a_score_that_no_resample_can_count_has_no_interval() -> None:
    scores = [
        score(bars(), [], bars(*spans), id=f"{i}") for i, spans in enumerate([(), ((0, 9),), ((0, 9),)])
    ]
    drawn = [paired_differences(scores, scores, 1, seed)["n_acc"] for seed in range(12)]
    without = [one for one in drawn if one.interval is None]
    assert 0 < len(without) < 12  # the one record without a target is in some draws only
    assert (without[0].a, without[0].difference, without[0].better, without[0].is_clear) == (
        1.0,
        0.0,
        None,
        False,
    )


def test_lower_is_better_for_duplicates() -> None:
    targets = bars((0, 10))
    twice = [score(bars((0, 10), (0, 9)), [0.9, 0.8], targets, id=f"{i}") for i in range(4)]
    once = [score(bars((0, 10)), [0.9], targets, id=f"{i}") for i in range(4)]
    found = paired_differences(twice, once, 50)["duplicates_per_image"]
    assert (found.difference, found.better) == (-1.0, 1.0)


def test_intervals_of_cgf1_leave_out_draws_without_a_negative() -> None:
    targets = bars((0, 10))
    scores = [score(targets, [0.9], targets, id="p"), score(bars(), [], bars(), id="n")]
    assert (bootstrap_intervals(scores)["cgf1"].low, bootstrap_intervals(scores)["cgf1"].high) == (1.0, 1.0)
    assert "cgf1" not in bootstrap_intervals(scores[:1])
    assert "pm_f1" in bootstrap_intervals(scores[:1])


def test_draws_in_pieces_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scored(2, 20)
    whole = bootstrap_intervals(scores, 300)
    monkeypatch.setattr("instructsam.evaluation.metrics.bootstrap._CHUNK", 7 * len(scores))
    assert bootstrap_intervals(scores, 300) == whole


@pytest.mark.parametrize("resamples", [0, -1, 10**7, 1.5, True])
def test_other_numbers_of_resamples_are_refused(resamples: int) -> None:
    with pytest.raises(InputError, match="resamples must be a whole number from 1 to 1000000"):
        bootstrap_intervals(scored(0, 3), resamples)
