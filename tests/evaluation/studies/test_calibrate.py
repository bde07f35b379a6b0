"""Thresholds are chosen on scenes of their own, and the best one wins."""

from __future__ import annotations

import pytest

from instructsam.errors import InputError
from instructsam.evaluation.studies.calibrate import THRESHOLDS, Calibration, calibrate
from instructsam.world.splits.build import benchmark_records
from tests.evaluation.fakes import RECORDS, Oracle, Shifted, toy_benchmark


def test_the_best_row_wins() -> None:
    table = Calibration(((0.3, 0.5, 0.6, 0.7), (0.4, 0.6, 0.6, 0.8), (0.5, 0.5, 0.7, 0.9)))
    assert table.best == 0.4
    assert "best: 0.40" in table.to_text()
    assert len(table.to_text().splitlines()) == 2 + 3 + 2


def test_calibration_scenes_are_not_those_of_the_benchmarks() -> None:
    seeds = {
        split: {record.meta["scene_seed"] for _, record in benchmark_records(split, 12)}
        for split in ("val", "test", "calibration")
    }
    assert not seeds["val"] & seeds["calibration"]
    assert not seeds["test"] & seeds["calibration"]


def test_an_oracle_loses_where_the_threshold_is_above_its_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "instructsam.evaluation.studies.calibrate.get_benchmark", lambda name: toy_benchmark()
    )
    oracle = Oracle()
    table = calibrate(oracle, phrases_given=True)
    assert [row[0] for row in table.rows] == list(THRESHOLDS)
    assert table.rows[0][1:] == (1.0, 1.0, 1.0)
    assert {mode for _, mode, _ in oracle.requests} == {"direct"}
    noisy = calibrate(Shifted(), phrases_given=False)  # a wrong guess of score 0.2 comes with every answer
    assert noisy.rows[0][3] == 0.0
    assert noisy.best > 0.2


def test_undefined_scores_are_dashes() -> None:
    table = calibrate(Shifted(), False, benchmark=toy_benchmark(RECORDS[:2]))  # every record has a target
    assert {row[3] for row in table.rows} == {None}
    assert all(line.split("|")[4].strip() == "-" for line in table.to_text().splitlines()[2:-2])
    assert table.best == max(table.rows, key=lambda row: (row[1] or 0.0, row[0]))[0]
    with pytest.raises(InputError, match="nothing to calibrate on"):
        calibrate(Oracle(), False, benchmark=toy_benchmark(()))
