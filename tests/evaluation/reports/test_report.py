from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from instructsam.evaluation.metrics.bootstrap import Difference, Interval
from instructsam.evaluation.metrics.scoring import score_instruction
from instructsam.evaluation.metrics.table import summarise
from instructsam.evaluation.reports.curves import Curves
from instructsam.evaluation.reports.report import Report, versions
from instructsam.evaluation.reports.tables import cell, detail_rows, table_rows
from instructsam.evaluation.studies.compare import difference_cells
from instructsam.structures.tables import format_rows


def make_report() -> Report:
    mask = np.ones((1, 4, 4), dtype=np.bool_)
    nothing = mask[:0]
    scores = [
        score_instruction(mask, np.array([0.9]), mask, id="a", family="category"),
        score_instruction(nothing, np.zeros(0), nothing, id="b", family="logic"),
    ]
    facts = {"command": "instructsam evaluate", "score_threshold": 0.5, "versions": versions()}
    return Report("toy", summarise(scores), facts, ("one note",))


def test_table_is_aligned_markdown() -> None:
    lines = format_rows(table_rows(make_report().summary)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [line.split("|")[1].strip() for line in lines] == [
        "",
        "-" * len("small targets"),
        "overall",
        "0 targets",
        "1 targets",
        "small targets",
        "category",
        "logic",
    ]
    cells = dict(zip(*(map(str.strip, lines[i].split("|")[2:-1]) for i in (0, 2)), strict=True))
    assert cells["n"] == "2"
    assert cells["gIoU ↑"] == "1.000"
    assert cells["wrong inst. ↓"] == "-"


def test_text_and_json_say_where_scores_come_from() -> None:
    report = make_report()
    text = report.to_text()
    assert "- command: instructsam evaluate" in text
    assert "- score_threshold: 0.500" in text
    assert "numpy " + np.__version__ in text
    assert "Note: one note" in text
    said = json.loads(report.to_json())
    assert said["summary"]["overall"]["ap"] == 1.0
    assert said["summary"]["by_targets"]["0"]["ap"] is None
    assert said["provenance"]["versions"]["python"]


def test_every_score_says_which_way_is_better() -> None:
    head = format_rows(table_rows(make_report().summary)).splitlines()[0]
    titles = [cell.strip() for cell in head.split("|")[2:-1]]
    assert titles[0] == "n"
    assert {title[-1] for title in titles[1:]} == {"↑", "↓"}
    assert [title for title in titles if title.endswith("↓")] == ["dup/img ↓", "wrong inst. ↓"]
    rows = detail_rows(make_report().summary["overall"], {})
    assert {row[0]: row[3] for row in rows[1:] if row[3] == "lower"} == {
        "dup/img": "lower",
        "wrong inst.": "lower",
    }


def test_undefined_scores_are_dashes_everywhere() -> None:
    mask = np.ones((1, 4, 4), dtype=np.bool_)
    positive = score_instruction(mask, np.array([0.9]), mask, id="a")
    negative = score_instruction(mask[:0], np.zeros(0), mask[:0], id="b")
    for scores, undefined in (
        ([positive], ("N-acc", "cgF1", "IL_MCC")),
        (
            [negative],
            ("AP", "AP50", "AP small", "T-acc", "Pr@0.5", "cgF1", "pmF1", "cIoU", "set cIoU", "MUSE gIoU"),
        ),
    ):
        summary = summarise(scores)
        values = {row[0]: row[1] for row in detail_rows(summary["overall"], {})}
        assert {title: values[title] for title in undefined} == dict.fromkeys(undefined, "-")
        report = Report("toy", summary, {}, (), tuple(scores))
        json.loads(report.to_json(), parse_constant=lambda name: pytest.fail(name))
        assert "nan" not in report.to_markdown().lower()
    lines = Report("toy", summary, {}, (), (negative,)).to_markdown().splitlines()
    curve = next(line for line in lines if line.startswith("| precision at IoU .50"))
    assert {cell.strip() for cell in curve.split("|")[2:-1]} == {"-"}
    assert Curves.of([negative]).precision50 is None
    assert Curves.of([positive]).precision50 is not None


def test_a_limit_that_is_not_set_is_a_dash() -> None:
    report = replace(make_report(), provenance={"limit": None})
    assert "- limit: -" in report.to_text()
    assert report.to_dict()["provenance"] == {"limit": None}


def test_narrow_columns_are_still_a_table() -> None:
    rule = format_rows([["", "n", ""], ["a", "1", "*"]]).splitlines()[1]
    assert rule == "| --- | --: | --: |"


def test_intervals_never_show_a_negative_zero() -> None:
    rows = detail_rows({"cgf1": 0.0}, {"cgf1": [-0.0004, -0.0]})
    assert next(row for row in rows if row[0] == "cgF1")[2] == "0.000 to 0.000"
    nothing = Difference(0.0, -0.0, -0.0, Interval(-0.0004, -0.0), 0.5)
    assert difference_cells(nothing) == ["+0.000", "+0.000 to +0.000", ""]


def test_cells_never_show_a_negative_zero() -> None:
    assert [cell(value) for value in (-0.0, -0.0004, -0.0006, 0.5, 3, None)] == [
        "0.000",
        "0.000",
        "-0.001",
        "0.500",
        "3",
        "-",
    ]
