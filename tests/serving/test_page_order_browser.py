"""The page in a real browser: events in an unusual order, and pictures of unusual sizes. Needs Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.browser import Browser
from tests.serving.page_in_browser import KEY, SERVICE, ask, choose, kept, rows, saved, slide

pytestmark = pytest.mark.browser


def test_a_picture_that_opens_late_does_not_replace_a_newer_one(browser: Browser, tmp_path: Path) -> None:
    browser.run(
        "(() => { const real = createImageBitmap; window.createImageBitmap = async (...given) => {"
        " if (given[0].name === 'slow.png') await new Promise((done) => (window.finish = done));"
        " return real(...given); }; })()"
    )
    for name, size in (("slow", (120, 80)), ("quick", (60, 40))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
        browser.choose_file("#file", tmp_path / f"{name}.png")
    browser.wait_for("!document.getElementById('panes').hidden")
    browser.run("finish(); new Promise((done) => setTimeout(done, 100))")
    ask(browser, "the newer one")
    assert SERVICE.jobs[-1][0].image.image.size == (60, 40)


def test_a_change_during_a_run_is_not_undone_by_its_answer(browser: Browser, image: Path) -> None:
    browser.choose_file("#file", image)
    browser.wait_for("!document.getElementById('panes').hidden")
    SERVICE.delay = 0.4
    try:
        browser.type("the mugs")
        browser.press("Enter")
        browser.click_on("#run")  # cancels
        assert browser.wait_for("document.getElementById('run').textContent === 'Segment'")
        browser.press("/", "Enter")
        browser.run("document.getElementById('compare').click()")
        browser.wait_for("document.querySelectorAll('.pane .row').length === 4")
        browser.press("/", "Enter")
        browser.run("document.getElementById('compare').click()")
        browser.wait_for("document.querySelectorAll('#history .tile').length === 2")
        assert rows(browser) == 2
        assert browser.run("document.querySelectorAll('[aria-busy=true]').length") == 0
    finally:
        SERVICE.delay = 0.0


def test_tiles_of_the_history_follow_the_threshold_and_the_chips(browser: Browser, image: Path) -> None:
    captions = "[...document.querySelectorAll('#history .quiet')].map((e) => e.textContent).join()"
    choose(browser, image)
    ask(browser, "two phrases")
    slide(browser, 0.6)
    browser.run("document.getElementById('threshold').dispatchEvent(new Event('change'))")
    assert browser.run(captions) == "1 instance,1 instance"
    browser.click_on(".chip")
    assert browser.run(captions) == "no instance,1 instance"


def test_all_answers_about_a_picture_are_saved_together(
    browser: Browser, image: Path, tmp_path: Path
) -> None:
    choose(browser, image)
    hidden = "document.querySelector('[data-part=all-row]').hidden"
    assert browser.run(hidden)
    ask(browser, "the plates")
    ask(browser, "the mugs")  # again: counts once
    browser.click_on("[data-part=reject]")
    assert kept(browser) == "Instances kept: 1"
    browser.click_on("[data-part=all]")
    assert kept(browser) == "Instances kept: 3 in 2 answers"
    document = json.loads(saved(browser, tmp_path, "coco").read_text())
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    found = sorted(names[row["category_id"]] for row in document["annotations"])
    assert found == ["the mugs", "the plates", "the plates"]
    browser.choose_file("#file", image)
    browser.wait_for("document.querySelector('[data-part=result]').hidden")
    ask(browser, "another picture")
    assert browser.run(hidden)
    assert kept(browser) == "Instances kept: 2"


def test_strips_are_usable_and_large_pictures_take_bounded_memory(browser: Browser, tmp_path: Path) -> None:
    for size in ((3000, 30), (30, 3000)):
        Image.new("RGB", size).save(tmp_path / f"{size[0]}.png")
        browser.choose_file("#file", tmp_path / f"{size[0]}.png")
        browser.wait_for("!document.getElementById('panes').hidden")
        ask(browser, "strip")
        stage = "document.querySelector('.stage')"
        assert min(browser.run(f"[{stage}.clientWidth, {stage}.clientHeight]")) > 100
    side = browser.run(
        "(async () => { const canvas = new OffscreenCanvas(9000, 10);"
        " canvas.getContext('2d'); const blob = await canvas.convertToBlob();"
        " const { openPicture } = await import('/app/files/picture.js');"
        " return (await openPicture(new File([blob], 'a.png'), { max_bytes: 1e9 })).bitmap.width; })()"
    )
    assert side == 4096


def test_all_who_need_the_key_continue_with_it(browser: Browser) -> None:
    browser.run(
        "(async () => { const { askForKey } = await import('/app/files/key.js');"
        " window.both = Promise.all([askForKey(), askForKey()]); })()"
    )
    browser.type(KEY)
    browser.press("Enter")
    browser.run("both")
    assert browser.run("sessionStorage.getItem('instructsam-key')") == KEY
    browser.run("sessionStorage.clear()")
