"""The review page in a real browser: keys, clicks, storage, files, hostile texts, narrow screens.

Run by `make test-browser`; needs Chromium.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from instructsam.engine.review.apply import apply_to_all
from instructsam.engine.review.decisions import HumanDecision, append_decisions, read_decisions, review_digest
from instructsam.engine.review.page import write_pages
from instructsam.engine.review.queue import review_queue
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.stages.pictures import RowPictures
from tests.browser import Browser
from tests.engine.review.rows import SquareImages, make_decision, make_row, outcome
from tests.engine.review.test_page import HOSTILE

pytestmark = pytest.mark.browser

ROW, MANY = make_row("a", 7, ("mug", "plate")), make_row("b", 14)
TWO = make_decision(ROW, phrases=(("the mugs", (1, 3)), ("the plates", (2,))))
FINISHED = [
    outcome(ROW, TWO, make_decision(ROW, 1, votes=0.8)),
    outcome(MANY, make_decision(MANY, kind="relation"), make_decision(MANY, 1, "accepted", votes=1.0)),
]
_runs = count()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Path:
    """A page of a run of its own, opened."""
    browser.problems.clear()
    path = tmp_path / "review.html"
    items = review_queue(FINISHED, sample=1)
    write_pages(items, RowPictures(SquareImages()), path, f"run-{next(_runs)}")
    browser.open(path)
    browser.run("localStorage.clear()")
    return path


def _text(browser: Browser, name: str) -> str:
    return str(browser.run(f"document.getElementById('{name}').textContent"))


def _numbers(browser: Browser) -> list[str]:
    return list(browser.run("[...document.querySelectorAll('.numbers')].map((field) => field.value)"))


def _shown(browser: Browser) -> str:
    return str(browser.run("document.querySelector('#facts bdi').textContent"))


def _saved(browser: Browser, folder: Path) -> Path:
    browser.download_to(folder)
    browser.press("d")
    path = folder / "decisions.jsonl"
    for _ in range(100):
        if path.exists():
            return path
        time.sleep(0.05)
    raise AssertionError(_text(browser, "message"))


def test_decisions_by_keys_survive_a_reload_and_are_applied(
    browser: Browser, page: Path, tmp_path: Path
) -> None:
    browser.run("document.getElementById('reviewer').value = 'Ann'")
    assert (_shown(browser), _numbers(browser)) == ("row-a#0", ["1, 3", "2"])
    browser.press("5", "p", "2", "4", "Enter")
    assert _shown(browser) == "row-a#1"
    browser.press("r", "1")
    assert _shown(browser) == "row-b#0"
    browser.press("1", "2", "Enter")  # 14 objects: two digits
    assert "3 of 4: 0 accepted, 2 fixed, 1 rejected, 0 skipped" in _text(browser, "counts")
    browser.open(page)
    assert "3 of 4" in _text(browser, "counts")
    assert _shown(browser) == "row-b#1"
    browser.press("a")
    found = read_decisions(_saved(browser, tmp_path))
    report = ReviewReport()
    done = {
        decision.candidate.id: decision
        for _, result in apply_to_all(FINISHED, found.latest, report)
        for decision in result.decisions
    }
    assert [phrase.numbers for phrase in done["row-a#0"].candidate.phrases] == [(1, 3, 5), (4,)]
    assert done["row-b#0"].candidate.numbers == (1, 2, 12)
    assert (done["row-a#1"].state, done["row-a#1"].reason) == ("rejected", "person: ambiguous")
    assert (report.applied, report.stale, report.invalid, report.open) == (4, 0, 0, 0)
    assert found.latest["row-a#0"].reviewer == "Ann"
    assert report.agreement("accepted") is not None
    assert browser.problems == []


def test_clicks_choose_objects_and_classes(browser: Browser, page: Path) -> None:
    box = browser.run(
        "(() => { const b = document.querySelector('#marked canvas').getBoundingClientRect();"
        " return [b.left, b.top, b.width, b.height]; })()"
    )
    browser.click(box[0] + box[2] * 67 / 80, box[1] + box[3] * 10 / 60)  # object 5
    assert _numbers(browser)[0] == "1, 3, 5"
    browser.click(box[0] + box[2] * 75 / 80, box[1] + box[3] * 50 / 60)  # nothing
    assert _numbers(browser)[0] == "1, 3, 5"
    browser.run("document.querySelector('.tile[data-number=\"3\"]').click()")
    assert _numbers(browser)[0] == "1, 5"
    browser.run("document.querySelector('.class h2 button').click()")
    assert _numbers(browser)[0] == "1, 3, 5, 7"
    browser.press("g")
    assert _numbers(browser) == ["", "2"]
    pressed = "document.querySelectorAll('.tile[aria-pressed=true]').length"
    assert browser.run(pressed) == 0
    browser.press("u")
    assert _numbers(browser)[0] == "1, 3, 5, 7"
    assert browser.run(pressed) == 4
    for _ in range(3):
        browser.press("u")
    assert _numbers(browser) == ["1, 3", "2"]
    assert browser.problems == []


def test_typed_numbers_and_texts(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.run(
        "(() => { const field = document.querySelector('.numbers'); field.value = '7 2,2';"
        " field.dispatchEvent(new Event('input')); field.value = '9';"
        " field.dispatchEvent(new Event('input')); })()"
    )
    assert "There is no object 9" in _text(browser, "message")
    browser.press("Enter")
    assert "Correct the numbers first" in _text(browser, "message")
    browser.press("2", "2", "e")  # the field shows what is chosen again
    browser.run("document.execCommand('selectAll')")
    browser.press("N", "e", "w", "Escape", "c", "o", "k", "Enter")
    browser.press("Escape", "a")
    line = json.loads(_saved(browser, tmp_path).read_text())
    assert (line["instruction"], line["comment"].strip()) == ("New", "ok")
    assert line["phrases"][0]["numbers"] == [2, 7]


def test_no_target_needs_its_own_key(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.press("1", "3", "p", "2", "Enter")
    assert "Press N" in _text(browser, "message")
    browser.press("n", "s")
    lines = [json.loads(line) for line in _saved(browser, tmp_path).read_text().splitlines()]
    assert [phrase["numbers"] for phrase in lines[0]["phrases"]] == [[], []]
    assert lines[1]["action"] == "skip"


def test_an_earlier_file_is_imported(browser: Browser, page: Path, tmp_path: Path) -> None:
    path = tmp_path / "earlier.jsonl"
    digest = review_digest(ROW, TWO.candidate)
    other = review_digest(MANY, FINISHED[1][1].decisions[0].candidate)
    append_decisions(
        path,
        [
            HumanDecision("row-a#0", digest, "reject", reason="bad mask"),
            HumanDecision("row-a#1", "old", "accept"),
            HumanDecision("row-z#0", "d", "accept"),
            HumanDecision("row-b#0", other, "accept"),
        ],
    )
    wrong = {
        "candidate": "row-b#0",
        "digest": other,
        "action": "accept",
        "phrases": [{"text": "x", "numbers": [99]}],
    }
    path.write_text(path.read_text() + "not JSON\n" + json.dumps(wrong) + "\n[]\n")
    browser.choose_file("#file", path)
    for _ in range(100):
        if "Imported" in (message := _text(browser, "message")):
            break
        time.sleep(0.05)
    assert message == "Imported 2 decisions; 1 are about other pages, 1 are stale, 3 are broken."
    assert "2 of 4: 1 accepted, 0 fixed, 1 rejected" in _text(browser, "counts")


def test_filters_and_the_end_of_the_queue(browser: Browser, page: Path) -> None:
    choose = (
        "(() => {{ const field = document.getElementById('{}'); field.value = '{}';"
        " field.dispatchEvent(new Event('input')); }})()"
    )
    browser.run(choose.format("kind", "relation"))
    assert (_shown(browser), _text(browser, "position")) == ("row-b#0", "1 of 1")
    browser.press("Enter")
    assert "No undecided item is left here" in _text(browser, "message")
    browser.run(choose.format("show", "quality"))
    assert browser.run("document.getElementById('main').hidden") is True
    browser.run(choose.format("kind", ""))
    assert _shown(browser) == "row-b#1"
    browser.run(choose.format("show", "open"))
    assert _text(browser, "position") == "1 of 3"
    browser.press("?")
    assert browser.run("document.getElementById('keys').open") is True
    browser.press("Escape")


def test_a_decision_about_an_earlier_version_is_not_used(browser: Browser, page: Path) -> None:
    browser.press("Enter")
    key = browser.run("Object.keys(localStorage).find((key) => key.endsWith('row-a#0'))")
    browser.run(
        f"localStorage.setItem({json.dumps(key)}, localStorage.getItem({json.dumps(key)})"
        '.replace(/"digest":"[^"]*"/, \'"digest":"old"\'))'
    )
    browser.open(page)
    assert "1 decisions that this browser keeps are about earlier versions" in _text(browser, "message")
    assert "0 of 4" in _text(browser, "counts")


def test_hostile_texts_run_nothing(browser: Browser, tmp_path: Path) -> None:
    row = replace(
        ROW,
        image=replace(ROW.image, file='"><img src=x onerror=alert(1)>.jpg'),
        instances=tuple(replace(thing, category=HOSTILE) for thing in ROW.instances),
    )
    decision = make_decision(row, instruction=HOSTILE, phrases=((HOSTILE, (1,)),))
    decision = replace(decision, reason=HOSTILE, history=({"instruction": HOSTILE, "reason": HOSTILE},))
    path = tmp_path / 'a "quoted" <b>&.html'
    browser.problems.clear()
    write_pages(
        review_queue([outcome(row, decision)]), RowPictures(SquareImages()), path, f"{HOSTILE}{next(_runs)}"
    )
    browser.open(path)
    assert browser.run("document.getElementById('instruction').value") == HOSTILE
    assert "\u202e" not in _text(browser, "grid") + _text(browser, "votes")
    browser.press("Enter")
    assert browser.run("document.querySelectorAll('img').length") == 2
    assert browser.run("window.hacked ?? null") is None
    assert browser.problems == []
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked = 3\">')")
    browser.run("new Promise((done) => setTimeout(done, 200))")
    assert browser.run("window.hacked ?? null") is None
    assert any("Content Security Policy" in problem for problem in browser.problems)


def test_an_image_without_objects(browser: Browser, tmp_path: Path) -> None:
    browser.problems.clear()
    row = make_row("empty", 0)
    absent = make_decision(row, kind="absent", phrases=(("the mugs", ()),))
    path = tmp_path / "review.html"
    write_pages(review_queue([outcome(row, absent)]), RowPictures(SquareImages()), path, f"run-{next(_runs)}")
    browser.open(path)
    browser.press("1", "g", "Enter")
    assert "1 of 1: 1 accepted" in _text(browser, "counts")
    assert browser.problems == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_scrolls_in_one_direction(browser: Browser, page: Path, dark: bool) -> None:
    browser.open(page, 390, 844, dark)
    assert browser.run("document.documentElement.scrollWidth") == 390
    assert browser.run("document.getElementById('more').open") is False
    assert browser.run("document.querySelector('#accept').getBoundingClientRect().bottom <= 844") is True
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") is not dark


@pytest.mark.parametrize("embed", [True, False])
def test_pictures_and_crops_are_shown(browser: Browser, tmp_path: Path, embed: bool) -> None:
    browser.problems.clear()
    path = tmp_path / "my #1 review.html"
    report = write_pages(
        review_queue(FINISHED),
        RowPictures(SquareImages()),
        path,
        f"run-{next(_runs)}",
        embed=embed,
        per_page=2,
    )
    browser.open(report.files[0])
    browser.follow("a")
    widths = "[...document.querySelectorAll('.picture img')].map((image) => image.naturalWidth)"
    assert min(browser.run(widths)) > 50
    painted = (
        "(() => { const c = document.querySelector('.tile canvas');"
        " return c.getContext('2d').getImageData(72, 72, 1, 1).data[3]; })()"
        if embed
        else "255"
    )
    assert browser.run(painted) == 255
    assert "page 1 of 2" in _text(browser, "pages")
    assert browser.problems == []
