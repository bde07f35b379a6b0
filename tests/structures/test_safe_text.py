"""Text of records never becomes HTML, Markdown or a command of the terminal."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from instructsam.evaluation.reports.page import page_of_run
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.studies.compare import Comparison
from instructsam.evaluation.studies.robustness import Change, Robustness
from instructsam.experiments.plot import draw_table
from instructsam.experiments.table import FinishedRun, gather, to_markdown
from instructsam.structures.safe_text import for_markdown, one_line
from instructsam.structures.tables import format_rows
from tests.evaluation.fakes import RECORDS, Oracle, toy_benchmark

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "a | b | c\n| --- |\n# title",
    "`code` **bold** [link](http://host.invalid) ![x](y) ~~no~~ $x$ _so_",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J\x00\x08",
    "right \u202eto left\u202c \u2066isolate\u2069 \u200b\ufeff",
    "half \ud83d a character",
    "line\r\nbreak\u2028and\u2029more\x85end\v\f",
    "\\| backslash \\\\|",
    "&lt;script&gt; &amp; &#60;b&#62;",
    "long " * 5000,
)


@pytest.mark.parametrize("text", HOSTILE)
def test_one_line_is_printable_and_short(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 500
    line.encode("utf-8")
    assert "\n" not in for_markdown(text)


def test_without_a_limit_nothing_is_cut() -> None:
    assert one_line("a\n b " * 5000, None) == " ".join(["a b"] * 5000)
    assert one_line("\x1b[1m", None) == "\N{REPLACEMENT CHARACTER}[1m"
    assert one_line("", None) == ""


def test_ordinary_text_stays_as_it_is() -> None:
    text = "the “mug” on the left, 3 of them: é ß 杯 कप می‌خواهم 👩‍🍳 world/test_crowded --out a_b.jsonl"
    assert one_line(text) == text
    assert (
        for_markdown("world/test_crowded: 3 of 4, org/model-7B (x)")
        == "world/test_crowded: 3 of 4, org/model-7B (x)"
    )


def test_nothing_begins_in_markdown() -> None:
    assert for_markdown(HOSTILE[0]).startswith("&lt;script&gt;alert")
    assert for_markdown("a|b `c` *d* [e](f) \\ _g_") == "a\\|b \\`c\\` \\*d\\* \\[e\\](f) \\\\ \\_g\\_"
    table = format_rows([["a|b", "c"], ["x\ny", "\x1b[1m"]])
    assert [line.count("|") - line.count("\\|") for line in table.splitlines()] == [3, 3, 3]
    assert table.count("\n") == 2


class Tags(HTMLParser):
    """Collects what a browser would see as elements and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Tags:
    """The tags of a report on ordinary records."""
    path = tmp_path_factory.mktemp("usual") / "usual.jsonl"
    usual = evaluate(Oracle(), toy_benchmark(), predictions_path=path)
    return Tags(page_of_run(usual, toy_benchmark(), path))


@pytest.mark.parametrize("text", HOSTILE)
def test_reports_with_hostile_records(text: str, expected: Tags, tmp_path: Path) -> None:
    words = text.replace("\ud83d", "")  # no model is asked about half a character
    records = tuple(
        replace(one, id=f"{one.id} {text}", instruction=f"{one.instruction} {words}", family=text)
        for one in RECORDS
    )
    hostile = Oracle()
    hostile.truth = {record.instruction: record for record in records}
    path = tmp_path / "predictions.jsonl"
    benchmark = replace(toy_benchmark(records), name=f"toy {text}")
    facts = {"model": text, "command": text, text: text}
    report = evaluate(hostile, benchmark, predictions_path=path, provenance=facts)
    report = replace(report, notes=(text,), unanswered=((text, text),))
    seen = Tags(page_of_run(report, benchmark, path))
    assert (seen.tags, seen.attributes) == (expected.tags, expected.attributes)
    lines = report.to_text().splitlines()
    assert all(line.isprintable() for line in lines)
    markdown = report.to_markdown()
    assert all(line.isprintable() for line in markdown.splitlines())
    assert "<" not in markdown
    assert [line for line in markdown.splitlines() if line.startswith("#")] == markdown.splitlines()[:1]
    assert report.summary["overall"]["giou"] == 1.0


@pytest.mark.parametrize("text", HOSTILE)
def test_other_tables_with_hostile_names(text: str) -> None:
    found = Comparison(text, 1, (text, text), (0.5, 0.5), {}, (text,))
    assert all(line.isprintable() for line in found.to_text().splitlines())
    change = Change(text, 1, 1, {text: 1}, {})
    robust = Robustness(text, 1, (change,), {text: text, "other": {text: text}})
    assert all(line.isprintable() for line in robust.to_text().splitlines())
    assert len(robust.to_markdown().splitlines()) == len(robust.to_text().splitlines())
    assert "<" not in robust.to_markdown()
    rows = gather([(text, text)], [FinishedRun(text, 0, {"giou": 0.5})])
    ElementTree.fromstring(draw_table(text, rows))
    markdown = to_markdown(text, rows, {text: text})
    assert "<" not in markdown
    assert all(line.isprintable() for line in markdown.splitlines())
    report = Report(text, {"overall": {}}, {text: {text: text}}, (text,))
    assert "<" not in report.to_markdown()
