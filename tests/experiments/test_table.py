from __future__ import annotations

import json

import pytest

from instructsam.experiments.table import FinishedRun, gather, to_dict, to_markdown

VARIANTS = [("method", "the method"), ("causal", "(b) causal"), ("open", "not yet trained")]
RUNS = [
    FinishedRun("method", 1, {"giou": 0.6, "ap": 0.3, "n_acc": None}),
    FinishedRun("method", 0, {"giou": 0.4, "ap": 0.3, "n_acc": 1.0}),
    FinishedRun("causal", 0, {"giou": 0.25, "ap": None}),
]


def test_means_deviations_and_seeds() -> None:
    method, causal, unfinished = gather(VARIANTS, RUNS)
    assert method.seeds == (0, 1)
    assert method.mean["giou"] == pytest.approx(0.5)
    assert method.deviation["giou"] == pytest.approx(0.02**0.5)
    assert (method.mean["n_acc"], method.deviation["n_acc"]) == (1.0, None)
    assert (causal.seeds, causal.mean["ap"], causal.deviation["giou"]) == ((0,), None, None)
    assert unfinished.seeds == ()
    assert unfinished.mean["giou"] is None


def test_the_table_says_how_many_seeds_each_row_has() -> None:
    text = to_markdown("claims", gather(VARIANTS, RUNS), {"finished": "3 of 6"})
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    assert rows[0][:4] == ["variant", "seeds", "gIoU ↑", "set gIoU ↑"]
    assert rows[2][:4] == ["method", "2", "0.500 ± 0.141", "-"]
    assert rows[3][:3] == ["causal", "1", "0.250"]
    assert rows[4][:3] == ["open", "0", "-"]
    assert "- finished: 3 of 6" in text


def test_json_holds_every_run() -> None:
    rows = gather(VARIANTS, RUNS)
    document = json.loads(json.dumps(to_dict("claims", rows, RUNS, {}), allow_nan=False))
    assert [run["seed"] for run in document["runs"]] == [1, 0, 0]
