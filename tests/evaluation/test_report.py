from __future__ import annotations

import json

import numpy as np

from instructsam.evaluation.metrics import score_instruction, summarise
from instructsam.evaluation.report import Report, format_table, versions


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
    lines = format_table(make_report().summary).splitlines()
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
