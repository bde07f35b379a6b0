"""The balance: limits hold, in any order of the candidates, and nothing is dropped without being counted."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from typing import get_args

import pytest

from instructsam.engine.balance import balance, largest_counts
from instructsam.engine.balance_report import BalanceReport
from instructsam.engine.candidates import Candidate, Kind
from instructsam.engine.filters.pool import CandidatePool
from instructsam.engine.filters.report import FilterReport
from instructsam.engine.settings.balance import BalanceSettings
from tests.engine.filters.rows import CATEGORIES, candidate, row

NO_LIMITS = BalanceSettings(negatives_per_positive=1e9, max_single_share=1.0, max_kind_share=1.0)


def candidates(count: int) -> list[Candidate]:
    rng = random.Random(0)
    kinds = get_args(Kind)
    found = []
    for number in range(count):
        kind = rng.choices(kinds, [20, 5, 5, 2, 2, 2, 2, 2, 2, 5, 3])[0]
        targets = 0 if kind in ("absent", "near_miss") else rng.choice([1, 1, 1, 2, 3])
        numbers = tuple(sorted(rng.sample(range(1, 9), targets)))
        found.append(candidate(f"thing {number}", numbers, name=f"{number:05}", kind=kind))
    return found


def balanced(
    found: list[Candidate], settings: BalanceSettings, people: frozenset[str] = frozenset()
) -> tuple[list[str], BalanceReport, FilterReport]:
    report = FilterReport()
    with closing(CandidatePool(report)) as pool:
        for one in found:
            pool.add(row(), one, one.id in people)
        result = balance(pool, settings)
        return sorted(pool.kept()), result, report


@pytest.mark.parametrize(
    ("counts", "limits", "expected"),
    [
        ({"a": 100, "b": 50, "c": 49}, dict.fromkeys("abc", 1 / 3), {"a": 49, "b": 49, "c": 49}),
        ({"a": 90, "b": 10}, {"a": 0.5, "b": 1.0}, {"a": 10, "b": 10}),
        ({"a": 90, "b": 10}, {"a": 0.9, "b": 0.1}, {"a": 90, "b": 10}),
        ({"a": 1, "b": 1}, {"a": 0.33, "b": 0.7}, {"a": 1, "b": 1}),
        ({}, {}, {}),
    ],
)
def test_largest_counts(counts: dict[str, int], limits: dict[str, float], expected: dict[str, int]) -> None:
    found = largest_counts(counts, limits)
    assert found == expected


def test_the_limits_hold() -> None:
    found = candidates(2000)
    kept, report, filters = balanced(
        found, BalanceSettings(negatives_per_positive=0.2, max_single_share=0.5, max_kind_share=0.2)
    )
    targets, kinds = report.after["targets"], report.after["kind"]
    total = sum(targets.values())
    assert total == len(kept) == 2000 - sum(filters.dropped.values())
    assert targets["0"] <= 0.2 * (targets["1"] + targets["2+"])
    assert targets["1"] <= 0.5 * total
    assert max(kinds.values()) <= 0.2 * total
    assert targets["2+"] == report.before["targets"]["2+"] or max(kinds.values()) > 0.19 * total
    assert total > 600
    assert report.before["kind"] == Counter(one.kind for one in found)
    assert {stage for stage, _ in filters.dropped} == {"balance"}
    assert any(line.startswith("kind category: ") for line in report.lines())
    assert report.to_dict()["after"] == report.after


def test_the_order_of_candidates_does_not_matter() -> None:
    found = candidates(500)
    settings = BalanceSettings(category_cap=60, category_threshold=0.1)
    assert balanced(found, settings)[0] == balanced(found[::-1], settings)[0]


def test_records_of_people_stay_first() -> None:
    found = candidates(300)
    people = frozenset(one.id for one in found if one.kind == "category")
    settings = BalanceSettings(negatives_per_positive=1e9, max_single_share=1.0, max_kind_share=0.2)
    kept = balanced(found, settings, people)[0]
    assert len([name for name in kept if name in people]) > 30
    some = frozenset(sorted(people)[:20])
    assert some <= set(balanced(found, settings, some)[0])


def test_categories_are_capped() -> None:
    found = candidates(1000)
    kept, report, _ = balanced(found, NO_LIMITS.model_copy(update={"category_cap": 50}))
    by_id = {one.id: one for one in found}
    single = Counter(CATEGORIES[by_id[name].numbers[0] - 1] for name in kept if len(by_id[name].numbers) == 1)
    assert max(single.values()) <= 50
    assert max(report.after["category"].values()) >= 50
    assert report.after["targets"]["0"] == report.before["targets"]["0"]


def test_frequent_categories_are_thinned() -> None:
    rare = [candidate(f"cat {number}", (2,), name=f"cat{number}") for number in range(20)]
    frequent = [candidate(f"dog {number}", (1,), name=f"dog{number}") for number in range(1980)]
    settings = NO_LIMITS.model_copy(update={"category_threshold": 0.01})
    report = balanced(rare + frequent, settings)[1]
    assert report.after["category"]["cat"] == 20
    assert report.after["category"]["dog"] == pytest.approx(1980 * (0.01 / 0.99) ** 0.5, rel=0.2)


def test_one_kind_alone_is_kept_and_noted() -> None:
    found = [candidate(f"dog {number}", (1,), name=str(number)) for number in range(50)]
    kept, report, filters = balanced(found, BalanceSettings())
    assert len(kept) == 50
    assert not filters.dropped
    assert "max_kind_share cannot hold with category alone" in report.notes[0]


def test_no_negatives_and_no_candidates() -> None:
    found = candidates(200)
    settings = NO_LIMITS.model_copy(update={"negatives_per_positive": 0.0})
    assert balanced(found, settings)[1].after["targets"]["0"] == 0
    assert balanced([], BalanceSettings())[0] == []


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.37, 0.5])
@pytest.mark.parametrize(
    "kinds",
    [("category",), ("category", "attribute"), ("category", "attribute", "several"), get_args(Kind)[:5]],
)
def test_limits_that_exclude_each_other_leave_most_records(ratio: float, kinds: tuple[Kind, ...]) -> None:
    found = []
    for number in range(400):
        kind: Kind = (*kinds, "absent")[number % (len(kinds) + 1)]
        numbers = () if kind == "absent" else (1, 2)[: 1 + number // 7 % 2]
        found.append(candidate(f"thing {number}", numbers, name=f"{number:05}", kind=kind))
    kept, report, _ = balanced(found, BalanceSettings(negatives_per_positive=ratio))
    positive = 400 - report.before["kind"]["absent"]
    assert len(kept) >= 0.9 * positive
    assert report.after["targets"]["0"] <= ratio * positive
