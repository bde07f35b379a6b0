"""The HTML page: whole, escaped, and with the pictures that matter."""

from __future__ import annotations

import base64
import io
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record
from instructsam.errors import MissingExtraError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.reports.gallery import best_and_worst, draw_answers
from instructsam.evaluation.reports.page import page_of_run, render_page
from instructsam.evaluation.reports.report import Report
from instructsam.evaluation.runner import evaluate
from instructsam.evaluation.runs.predictions import read_predictions
from instructsam.evaluation.runs.stored_prediction import StoredPrediction
from instructsam.structures.masks import encode_rle
from tests.evaluation.cases import bars, score
from tests.evaluation.fakes import Shifted, toy_benchmark


class Seen(HTMLParser):
    """Counts elements and checks that they are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        assert not any(
            name in ("src", "href") and not str(value).startswith("data:") for name, value in attrs
        )

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def make(tmp_path: Path) -> tuple[Report, Path]:
    path = tmp_path / "predictions.jsonl"
    facts = {"model": "<model> & co", "command": "instructsam evaluate"}
    return evaluate(Shifted(), toy_benchmark(), predictions_path=path, provenance=facts), path


def test_the_page_of_a_run(tmp_path: Path) -> None:
    report, path = make(tmp_path)
    page = page_of_run(report, toy_benchmark(), path)
    seen = Seen(page)
    assert seen.count["img"] == 5 + 3
    assert page.count("data:image/svg+xml;base64,") == 3
    assert seen.count["table"] == 3
    text = " ".join(seen.words)
    for words in (
        "<model> & co",
        "the bars, and separately the last",
        "set gIoU",
        "95% interval",
        "sha256",
        "Worst",
    ):
        assert words in text
    assert "<model>" not in page


def test_without_predictions_there_is_no_gallery(tmp_path: Path) -> None:
    report, _ = make(tmp_path)
    assert Seen(page_of_run(report, toy_benchmark(), None)).count["img"] == 3  # the plots
    bare = Report(report.benchmark, report.summary, report.provenance, ("a <note>",))
    assert "img" not in Seen(render_page(bare)).count
    assert "a &lt;note&gt;" in render_page(bare)


def test_pictures_and_tables_have_words_for_those_who_do_not_see_them(tmp_path: Path) -> None:
    report, path = make(tmp_path)
    page = page_of_run(report, toy_benchmark(), path)
    seen = Seen(page)
    assert all(attributes.get("alt") for tag, attributes in seen.elements if tag == "img")
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in seen.elements if tag == "th")
    regions = [attributes for tag, attributes in seen.elements if attributes.get("role") == "region"]
    assert regions[0]["aria-label"] == "Scores"
    assert '<html lang="en">' in page
    levels = [int(tag[1]) for tag, _ in seen.elements if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_extra_names_the_command(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, path = make(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}: pip install 'instructsam\[report\]'"):
        page_of_run(report, toy_benchmark(), path)
    assert report.to_markdown().count("precision at IoU .50") == 1  # tables need neither


def test_best_and_worst_by_hand() -> None:
    targets = bars((0, 10), (20, 30))
    right = score(targets, [0.9, 0.9], targets, id="right")
    silent = score(bars(), [], bars(), id="silent")
    missed = score(bars(), [], targets, id="missed")
    alarm = score(bars((0, 5)), [0.9], bars(), id="alarm")
    half = score(bars((0, 10)), [0.9], targets, id="half")
    best, worst = best_and_worst([silent, half, alarm, missed, right])
    assert [one.id for one in best] == ["right", "half", "silent"]
    assert [one.id for one in worst] == ["missed", "alarm"]
    best, worst = best_and_worst([right, silent, missed, alarm], count=1)
    assert [one.id for one in (*best, *worst)] == ["right", "missed"]


def test_a_picture_shows_truth_and_kept_answers(tmp_path: Path) -> None:
    report, path = make(tmp_path)
    stored = {item.id: item for item in read_predictions(path)}
    wanted = [one for one in report.scores if one.id == "r1"]
    (shown,) = draw_answers(toy_benchmark(), stored, wanted, 0.5).values()
    picture = np.asarray(
        Image.open(io.BytesIO(base64.b64decode(shown.picture))).convert("RGB"), dtype=np.int64
    )
    assert picture.shape == (120, 484, 3)
    edge = picture.max(axis=2) - picture.min(axis=2) > 60  # outlines are the only colour here
    truth, answer = edge[40:50, :240].any(axis=0).nonzero()[0], edge[40:50, 244:].any(axis=0).nonzero()[0]
    # Columns 2 to 5 of 40 are meant, 3 to 6 answered, at six times the size, each with an outline around it;
    # what is below the threshold is not drawn.
    assert abs(int(truth.min()) - 10) < 3
    assert abs(int(truth.max()) - 37) < 3
    assert abs(int(answer.min()) - 16) < 3
    assert abs(int(answer.max()) - 43) < 3
    inside, outside = picture[45, 24].mean(), picture[45, 120].mean()
    assert abs(inside - 128) < 3  # a target keeps its colours
    assert outside < inside - 25  # the rest is dim


def test_nothing_wanted_draws_nothing() -> None:
    assert draw_answers(toy_benchmark(), {}, [], 0.5) == {}


@pytest.mark.parametrize("size", [(1, 6000), (6000, 1), (2, 70_000), (1, 1)])
def test_pictures_of_extreme_shapes_are_shown(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[: (height + 1) // 2, : (width + 1) // 2] = True
    instance = InstanceRecord(encode_rle(mask), (0.0, 0.0, 1.0, 1.0))
    ref = ImageRef("a.png", height, width)
    record = Record("r", ref, "the first bar", (PhraseRecord("bar", (instance,)),))
    benchmark = Benchmark("toy", lambda _: iter([(Image.new("RGB", size), record)]))
    nothing = StoredPrediction("r", "the first bar", "", (), "no_target", (height, width), (), (), (), 0.0)
    found = [score(bars(), [], bars((0, 1)), id="r")]
    (shown,) = draw_answers(benchmark, {"r": nothing}, found, 0.5).values()
    drawn = Image.open(io.BytesIO(base64.b64decode(shown.picture)))
    assert drawn.width == 484
    assert drawn.height <= 240 * 6
