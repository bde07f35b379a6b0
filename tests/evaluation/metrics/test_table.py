from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructsam.errors import InputError
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.metrics.table import summarise
from tests.evaluation.cases import Case, bars, coco_ap, random_boxes, random_cases, score


def test_both_empty_is_right() -> None:
    result = score(bars(), [], bars())
    assert (result.giou, result.set_giou, result.exact) == (1.0, 1.0, True)
    entry = summarise([result])["overall"]
    assert (entry["giou"], entry["n_acc"], entry["t_acc"], entry["ap"]) == (1.0, 1.0, None, None)


def test_empty_prediction_scores_zero() -> None:
    result = score(bars(), [], bars((0, 10), (20, 30)))
    assert (result.giou, result.set_giou, result.exact, result.num_missed) == (0.0, 0.0, False, 2)
    entry = summarise([result])["overall"]
    assert (entry["ap"], entry["t_acc"], entry["n_acc"], entry["ciou"]) == (0.0, 0.0, None, 0.0)


def test_prediction_without_target_scores_zero() -> None:
    result = score(bars((0, 10)), [0.9], bars())
    assert (result.giou, result.set_giou, result.exact, result.num_wrong) == (0.0, 0.0, False, 1)
    entry = summarise([result])["overall"]
    assert (entry["n_acc"], entry["ap"], entry["wrong_instance_share"]) == (0.0, None, 1.0)


def test_threshold_rules_sets_but_not_ap() -> None:
    targets = bars((0, 10), (20, 30))
    result = score(bars((0, 10), (20, 30)), [0.9, 0.2], targets)
    assert (result.num_kept, result.giou, result.set_giou) == (1, 0.5, 0.5)
    assert summarise([result])["overall"]["ap"] == pytest.approx(1.0)
    assert score(bars((0, 10)), [0.5], bars((0, 10)), score_threshold=0.5).num_kept == 1


def test_set_giou_matches_one_to_one() -> None:
    # IoU: first with A 1.0 and B 0; second with A 0.5: the best pairing is 1.0 + 0, over 3 predictions.
    result = score(bars((0, 10), (0, 5), (50, 60)), [0.9, 0.8, 0.7], bars((0, 10), (20, 30)))
    assert result.set_giou == pytest.approx(1 / 3)
    assert result.intersection == 10
    assert result.union == 30


def test_duplicates_are_counted_once_each() -> None:
    result = score(bars((0, 10), (0, 9), (1, 10), (40, 50)), [0.9, 0.8, 0.7, 0.6], bars((0, 10), (40, 50)))
    assert result.num_duplicates == 2
    assert result.num_matched == 2
    assert not result.exact
    entry = summarise([result])["overall"]
    assert entry["duplicates_per_image"] == 2
    assert entry["errors"] == {"wrong_instance": 0, "poor_mask": 0, "duplicate": 2, "missed": 0}


def test_wrong_instance_against_poor_mask() -> None:
    targets = bars((0, 10), (20, 30), (60, 70))
    result = score(bars((0, 4), (40, 50), (60, 70)), [0.9, 0.9, 0.9], targets)
    assert (result.num_poor, result.num_wrong, result.num_missed, result.num_matched) == (1, 1, 1, 1)
    assert summarise([result])["overall"]["wrong_instance_share"] == 0.5


def test_exact_set_finds_the_largest_matching() -> None:
    # The first prediction fits both targets; the second fits only A: a greedy choice of A would miss the set.
    targets = bars((0, 12), (6, 18))
    predicted = bars((2, 14), (0, 10))
    assert score(predicted, [0.9, 0.8], targets).exact


def test_summary_has_families_and_target_counts() -> None:
    one, none = bars((0, 10)), bars()
    table = summarise(
        [
            score(one, [0.9], one, id="a", family="category"),
            score(none, [], bars((0, 10), (20, 30)), id="b", family="logic"),
            score(none, [], none, id="c", family="logic"),
        ]
    )
    assert list(table["by_family"]) == ["category", "logic"]
    assert table["by_family"]["logic"]["giou"] == 0.5
    assert {name: entry["instructions"] for name, entry in table["by_targets"].items()} == {
        "0": 1,
        "1": 1,
        ">=2": 1,
    }
    assert table["overall"]["giou"] == pytest.approx(2 / 3)
    assert table["overall"]["ciou"] == pytest.approx(10 / 30)
    assert table["overall"]["t_acc"] == 0.5
    assert table["overall"]["exact_set"] == pytest.approx(2 / 3)


def test_no_instruction_gives_a_table_of_nothing() -> None:
    entry = summarise([])["overall"]
    assert entry["instructions"] == 0
    assert entry["giou"] is None
    assert entry["ap"] is None


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="scores must be 1 finite numbers"):
        score(bars((0, 1)), [], bars())
    with pytest.raises(InputError, match="finite"):
        score(bars((0, 1)), [float("nan")], bars())
    with pytest.raises(InputError, match=r"must not be empty.*id 'x'"):
        score(bars(), [], bars((0, 0)), id="x")
    with pytest.raises(InputError, match="one size"):
        score(bars((0, 1), width=90), [0.5], bars((0, 1)))
    with pytest.raises(InputError, match="'a' twice"):
        summarise([score(bars(), [], bars(), id="a"), score(bars(), [], bars(), id="a")])


def table_of(cases: list[Case]) -> dict[str, Any]:
    scored = [score_instruction(*case, id=f"{index:05d}") for index, case in enumerate(cases)]
    return summarise(scored)["overall"]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools
@pytest.mark.parametrize("seed", range(8))
def test_ap_equals_pycocotools(seed: int) -> None:
    cases = random_cases(seed, 40)
    entry = table_of(cases)
    assert 0 < entry["ap"] < 1
    np.testing.assert_allclose(
        [entry["ap"], entry["ap50"], entry["ap75"]], coco_ap(cases)[:3], rtol=0, atol=1e-9
    )


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # inside pycocotools
def test_ap_keeps_100_detections_as_pycocotools_does() -> None:
    cases = random_cases(0, 2)
    rng = np.random.default_rng(1)
    targets = random_boxes(rng, 3)
    many = np.concatenate([random_boxes(rng, 120), targets])
    confidence = np.concatenate([np.full(120, 0.9), np.full(3, 0.5)])
    cases.append((many, confidence, targets))
    entry = table_of(cases)
    assert entry["ap"] == pytest.approx(coco_ap(cases)[0], abs=1e-9)
    assert entry["ap"] != pytest.approx(coco_ap([*cases[:2], (many[-3:], confidence[-3:], targets)])[0])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_neither_order_nor_shards_change_a_digit(seed: int, count: int) -> None:
    scored = [
        score_instruction(*case, id=f"{i:03d}", family="ab"[i % 2])
        for i, case in enumerate(random_cases(seed, count))
    ]
    whole = summarise(scored)
    shards = [scored[start::3] for start in range(3)]
    joined = [one for shard in reversed(shards) for one in shard]
    random.Random(seed).shuffle(joined)
    assert summarise(joined) == whole
