"""A metric is added in one place: the registry. Everything that prints or documents metrics follows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from instructsam.errors import InputError
from instructsam.evaluation.metrics.bootstrap import bootstrap_intervals, paired_differences
from instructsam.evaluation.metrics.describe import metrics_table, update_page
from instructsam.evaluation.metrics.metric import Metric, mean
from instructsam.evaluation.metrics.registry import METRICS, headline_metrics, register, table_metrics
from instructsam.evaluation.metrics.table import summarise
from instructsam.evaluation.reports.page import page_of_run
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.reports.tables import detail_rows, table_rows
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.studies.compare import compare
from instructsam.evaluation.studies.robustness import Change, Robustness
from tests.evaluation.cases import bars, score
from tests.evaluation.fakes import Oracle, Silent, toy_benchmark

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.fixture
def kept() -> Iterator[Metric]:
    """A metric that nobody else has: predictions that are kept."""
    metric = Metric(
        "kept",
        "kept/img",
        mean(lambda one: one.num_kept),
        "kept predictions per instruction",
        "the same",
        "ours",
        lower_is_better=True,
        column="headline",
    )
    register(metric)
    yield metric
    del METRICS["kept"]


def test_a_new_metric_is_in_every_table_and_interval(kept: Metric, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.jsonl" for name in "ab"]
    reports = [
        evaluate(segmenter, toy_benchmark(), predictions_path=path)
        for segmenter, path in zip((Oracle(), Silent()), paths, strict=True)
    ]
    summary = reports[0].summary
    assert summary["overall"]["kept"] == pytest.approx(6 / 5)
    assert summary["by_family"]["several"]["kept"] == 3.0
    assert json.loads(reports[0].to_json())["summary"]["intervals"]["kept"][1] > 6 / 5
    assert table_rows(summary)[0][-1] == "kept/img ↓"
    rows = detail_rows(summary["overall"], summary["intervals"])
    assert rows[-1][:2] == ["kept/img", "1.200"]
    assert rows[-1][3] == "lower"
    for text in (reports[0].to_text(), reports[0].to_markdown()):
        assert text.count("kept/img") == 2
    assert "kept/img" in page_of_run(reports[0], toy_benchmark(), paths[0])
    found = compare(*paths, toy_benchmark(), (0.5, 0.5), 50)
    assert found.to_dict()["differences"]["kept"]["difference"] == pytest.approx(-6 / 5)
    assert found.differences["kept"].better == 1.0
    assert "kept/img ↓" in found.to_text()
    changes = (Change("mirrored", 5, 0, {}, found.differences),)
    assert "kept/img ↓" in Robustness("toy", 5, changes, {}).to_text()


def test_a_new_metric_is_in_the_docs(kept: Metric) -> None:
    row = "| kept/img | `kept` | lower | kept predictions per instruction | the same | ours | yes |"
    assert row in update_page(PAGE.read_text(encoding="utf-8")).splitlines()


def test_the_page_holds_the_current_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert metrics_table() in text, "docs/metrics.md is not current: run python tools/metrics_docs.py"
    assert update_page(text) == text


def test_a_key_is_taken_once() -> None:
    with pytest.raises(InputError, match="got 'giou', the key of gIoU"):
        register(METRICS["giou"])


def test_every_metric_is_documented_and_named_once() -> None:
    titles = [metric.title for metric in METRICS.values()]
    assert len(set(titles)) == len(titles)
    for metric in METRICS.values():
        assert metric.definition, metric.key
        assert metric.without_targets, metric.key
        assert metric.source, metric.key
        assert "\n" not in metric.definition, metric.key
    assert {metric.key for metric in headline_metrics()} < {metric.key for metric in table_metrics()}
    assert [metric.key for metric in METRICS.values() if metric.lower_is_better] == [
        "duplicates_per_image",
        "wrong_instance_share",
    ]


def test_summary_and_intervals_have_exactly_the_keys_of_the_registry() -> None:
    scores = [
        score(bars((0, 10)), [0.9], bars((0, 10)), id="a"),
        score(bars((0, 7)), [0.8], bars((0, 10)), id="b"),
        score(bars(), [], bars(), id="c"),
        score(bars((0, 9)), [0.7], bars(), id="d"),
    ]
    entry = summarise(scores)["overall"]
    assert [key for key in entry if key in METRICS] == list(METRICS)
    assert set(entry) - set(METRICS) == {"instructions", "unanswered", "targets", "errors"}
    counted = {key for key, metric in METRICS.items() if metric.interval}
    assert set(bootstrap_intervals(scores, 50)) == counted
    assert list(paired_differences(scores, scores, 50)) == [key for key in METRICS if key in counted]


def test_a_metric_without_an_interval_is_compared_by_a_dash() -> None:
    report = Report("toy", summarise([score(bars((0, 10)), [0.9], bars((0, 10)), id="a")]))
    rows = {row[0]: row for row in detail_rows(report.summary["overall"], {})}
    assert rows["AP as released"][1:] == ["1.000", "-", "higher"]
