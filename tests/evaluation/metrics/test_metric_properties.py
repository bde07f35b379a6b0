"""What must hold for every answer, not only for those that someone thought of."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import Case, Masks, random_cases

# T-acc and IL_MCC ask whether anything is said, so they rise with a false positive where nothing had been said.
NEVER_RISES = (
    "giou",
    "ciou",
    "set_giou",
    "set_ciou",
    "ap",
    "ap50",
    "ap75",
    "n_acc",
    "exact_set",
    "pr50",
    "pm_f1",
)
seeds = st.integers(0, 10_000)


def table(cases: list[Case], threshold: float = 0.5) -> dict[str, Any]:
    scored = [score_instruction(*case, threshold, id=f"{i:03d}") for i, case in enumerate(cases)]
    return summarise(scored)["overall"]


def padded(cases: list[Case]) -> list[Case]:
    """The cases with two more rows that no mask touches."""

    def pad(masks: Masks) -> Masks:
        return np.pad(masks, ((0, 0), (0, 2), (0, 0)))

    return [(pad(predicted), scores, pad(targets)) for predicted, scores, targets in cases]


@settings(max_examples=60)
@given(seeds, st.integers(1, 6), st.floats(0.01, 1.0), st.data())
def test_a_false_positive_never_helps(seed: int, count: int, confidence: float, data: st.DataObject) -> None:
    cases = padded(random_cases(seed, count))
    chosen = data.draw(st.integers(0, count - 1))
    predicted, scores, targets = cases[chosen]
    false = np.zeros((1, *targets.shape[1:]), dtype=np.bool_)
    false[0, -1, :9] = True
    before = table(cases)
    cases[chosen] = (np.concatenate([predicted, false]), np.append(scores, confidence), targets)
    after = table(cases)
    for name in NEVER_RISES:
        if before[name] is not None:
            assert after[name] <= before[name] + 1e-12, name
    if (scores >= 0.5).any():
        assert after["cgf1"] is None or after["cgf1"] <= max(before["cgf1"], 0) + 1e-12
        assert after["t_acc"] == before["t_acc"]


@settings(max_examples=30)
@given(seeds, st.integers(1, 6))
def test_the_order_of_masks_does_not_matter(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    cases, shuffled = random_cases(seed, count), []
    for predicted, scores, targets in cases:
        distinct = scores + np.linspace(
            0, 1e-3, len(scores)
        )  # ties are broken by order, as in COCO's evaluator
        a, b = rng.permutation(len(predicted)), rng.permutation(len(targets))
        shuffled.append((predicted[a], distinct[a], targets[b]))
    straight = [(p, s + np.linspace(0, 1e-3, len(s)), t) for p, s, t in cases]
    first, second = table(straight), table(shuffled)
    for name in (*NEVER_RISES, "cgf1", "t_acc", "duplicates_per_image", "ap_small"):
        if name not in ("set_ciou", "pm_f1", "cgf1"):  # of equally good matchings either may be taken
            assert first[name] is None or abs(first[name] - second[name]) < 1e-12, name


@settings(max_examples=30)
@given(seeds, st.integers(1, 8))
def test_shares_lie_between_0_and_1_and_truth_scores_1(seed: int, count: int) -> None:
    cases = random_cases(seed, count)
    shares = (*NEVER_RISES, "ap_small", "ap_medium", "ap_large", "ap_released", "t_acc")
    entry = table(cases)
    assert all(0 <= entry[name] <= 1 for name in shares if entry[name] is not None)
    perfect = table([(t, np.linspace(0.9, 0.6, len(t)), t) for _, _, t in cases])
    for name in NEVER_RISES:
        assert perfect[name] is None or abs(perfect[name] - 1) < 1e-12, name
    assert perfect["il_mcc"] in (None, 0.0, 1.0)


@settings(max_examples=30)
@given(seeds, st.integers(1, 6), st.floats(0.05, 0.95))
def test_ap_does_not_see_the_threshold_and_sets_see_nothing_below_it(
    seed: int, count: int, threshold: float
) -> None:
    cases = random_cases(seed, count)
    cut = [(p[s >= threshold], s[s >= threshold], t) for p, s, t in cases]
    whole, kept = table(cases, threshold), table(cut, threshold)
    assert whole["ap"] == table(cases, 0.5)["ap"]
    for name in (
        "giou",
        "ciou",
        "set_giou",
        "set_ciou",
        "n_acc",
        "exact_set",
        "cgf1",
        "duplicates_per_image",
    ):
        assert whole[name] == kept[name], name
