"""The page in a real browser, against a server with a made model. Run by `make test-browser`; needs Chromium."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.serving.errors import BusyError
from instructsam.serving.settings import ServeSettings
from instructsam.structures.masks import decode_rle, encode_rle
from tests.browser import Browser
from tests.serving.fakes import FakeService
from tests.serving.page_in_browser import (
    HOSTILE,
    KEY,
    SERVICE,
    answers,
    ask,
    choose,
    kept,
    open_page,
    problem,
    rows,
    saved,
    serve,
    slide,
    text_of,
)

pytestmark = pytest.mark.browser


def test_an_example_is_segmented_and_the_slider_needs_no_request(browser: Browser, image: Path) -> None:
    choose(browser, image)
    assert text_of(browser, "headline") == "2 instances of “the mugs”"
    assert "The model's reply: “the mugs”" in text_of(browser, "reply")
    assert "Note: A note." in text_of(browser, "details")
    browser.wait_for("document.querySelectorAll('#examples img:not([src])').length === 0")
    browser.requests.clear()
    slide(browser, 0.5)
    assert (rows(browser), text_of(browser, "headline")) == (1, "1 instance of “the mugs”")
    slide(browser, 0.95)
    assert text_of(browser, "headline") == "No target"
    assert "The best candidate scores 0.90" in text_of(browser, "details")
    slide(browser, 0.1)
    assert (rows(browser), browser.requests) == (2, [])
    assert SERVICE.jobs[-1][0].score_threshold == pytest.approx(0.05)


def test_chips_toggle_and_hover_names_the_instance(browser: Browser, image: Path) -> None:
    choose(browser, image, "two phrases")
    chips = browser.run(
        "[...document.querySelectorAll('.chip')].map((c) => c.innerText.split('\\n').join(' '))"
    )
    assert chips == ["mug 1", "plate 1"]
    browser.click_on(".chip")
    assert browser.run("document.querySelector('.chip').getAttribute('aria-pressed')") == "false"
    assert kept(browser) == "Instances kept: 1"
    browser.click_on(".chip")
    assert kept(browser) == "Instances kept: 2"
    browser.move(*browser.place(".stage canvas", 0.12, 0.37))
    assert browser.wait_for("document.querySelector('.tip').innerText").startswith("1 · mug · score 0.90 · 5")
    browser.click(*browser.place(".stage canvas", 0.12, 0.37))  # rejects it
    assert kept(browser) == "Instances kept: 1"
    assert "rejected" in browser.run("document.querySelector('.row').className")


def test_corrections_can_be_undone_and_are_downloaded(browser: Browser, image: Path, tmp_path: Path) -> None:
    choose(browser, image)
    browser.click_on("[data-part=reject]")
    browser.click_on("[data-part=draw]")
    browser.drag(browser.place(".stage canvas", 0.5, 0.75), browser.place(".stage canvas", 0.75, 0.95))
    browser.wait_for("document.activeElement.dataset.part === 'label'")
    browser.type("spoon " + HOSTILE)
    browser.press("Enter")
    assert kept(browser) == "Instances kept: 2"
    document = json.loads(saved(browser, tmp_path, "coco").read_text())
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    found = document["annotations"]
    assert [names[row["category_id"]] for row in found] == ["the mugs", "spoon " + HOSTILE]
    left, top, width, height = found[1]["bbox"]
    assert (left, top, width, height) == pytest.approx((60, 60, 30, 16), abs=1)
    assert browser.run("document.querySelectorAll('img[src=x]').length") == 0
    browser.press("z", modifiers=2)
    for _ in range(2):
        browser.click_on("[data-part=undo]")
    assert kept(browser) == "Instances kept: 2"
    assert browser.run("document.querySelector('[data-part=undo]').disabled")


def test_the_page_works_by_keyboard(browser: Browser, image: Path) -> None:
    choose(browser, image)
    browser.run("document.activeElement.blur()")
    browser.press("/")
    assert browser.run("document.activeElement.id") == "instruction"
    browser.run("document.querySelector('[data-part=accept]').focus()")
    browser.press("a")
    slide(browser, 0.95)  # accepted ones stay
    assert (rows(browser), kept(browser)) == (1, "Instances kept: 1")
    browser.run("document.querySelector('[data-part=accept]').focus()")
    browser.press("r")
    assert kept(browser) == "Instances kept: 0"
    browser.press("b", "ArrowRight", "ArrowDown", "Enter")
    browser.wait_for("document.activeElement.dataset.part === 'label'")
    assert kept(browser) == "Instances kept: 1"
    unnamed = browser.run(
        "[...document.querySelectorAll('button, input, select, .stage canvas')].filter((e) => e.checkVisibility() &&"
        " !(e.innerText || e.ariaLabel || e.labels?.length || e.title)).map((e) => e.outerHTML)"
    )
    assert unnamed == []


def test_no_target_and_full_slots_are_explained(browser: Browser, image: Path) -> None:
    choose(browser, image, "nothing")
    assert text_of(browser, "headline") == "No target"
    assert "Nothing in this picture matches “nothing”." in text_of(browser, "details")
    ask(browser, "many")
    assert "All 3 slots of the model are in use for “many”" in text_of(browser, "details")
    slide(browser, 0.38)
    assert "slots" not in text_of(browser, "details")


def test_problems_are_explained_and_the_picture_is_kept(
    browser: Browser, image: Path, tmp_path: Path
) -> None:
    browser.press("Enter")
    ask_script = "document.getElementById('ask').requestSubmit()"
    browser.run(ask_script)
    assert "Choose a picture first" in problem(browser)
    choose(browser, image)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 not a picture")
    browser.choose_file("#file", broken)
    assert "“broken.jpg” cannot be opened." in problem(browser)
    large = tmp_path / "large.png"
    large.write_bytes(bytes(300_000))
    browser.choose_file("#file", large)
    browser.wait_for(
        "document.getElementById('problem-text').textContent.includes('this server accepts 0.2 MB')"
    )
    SERVICE.error = BusyError("the queue is full", retry_after=1)
    browser.run(ask_script)
    browser.wait_for("document.getElementById('progress').textContent.includes('Trying again in 1 s')")
    SERVICE.error = None
    browser.wait_for("document.getElementById('progress').hidden")
    assert rows(browser) == 2
    assert all("Failed to load resource" in line for line in browser.problems)
    browser.problems.clear()


def test_a_dropped_picture_and_a_pasted_one(browser: Browser, image: Path) -> None:
    browser.drop(image, 640, 300)
    browser.wait_for("!document.getElementById('panes').hidden")
    ask(browser, "dropped")
    browser.run(
        "(async () => { const canvas = new OffscreenCanvas(60, 40); canvas.getContext('2d').fillRect(0, 0, 9, 9);"
        " const data = new DataTransfer(); data.items.add(new File([await canvas.convertToBlob()], 'p.png',"
        " {type: 'image/png'})); document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data})); })()"
    )
    browser.wait_for("document.querySelector('[data-part=result]').hidden")
    ask(browser, "pasted")
    assert SERVICE.jobs[-1][0].image.image.size == (60, 40)


def test_two_models_are_compared_and_the_history_returns(browser: Browser, image: Path) -> None:
    choose(browser, image)
    browser.click_on("#compare")
    browser.wait_for("document.querySelectorAll('.pane .row').length === 4")
    assert sorted(name for _, name in SERVICE.jobs[-2:]) == ["default", "other"]
    browser.click_on("#compare")
    ask(browser, "nothing")
    sent = len(SERVICE.jobs)
    browser.run("document.querySelectorAll('#history .picture')[2].click()")
    browser.wait_for("document.getElementById('instruction').value === 'the mugs'")
    assert (rows(browser), len(SERVICE.jobs)) == (2, sent)
    browser.run("document.querySelectorAll('#history .again')[0].click()")
    browser.wait_for("document.querySelectorAll('#history .tile').length === 4")


def test_a_phone(browser: Browser, url: str, image: Path) -> None:
    open_page(browser, url, width=390)
    choose(browser, image)
    assert browser.run("document.documentElement.scrollWidth") == 390
    browser.touch(browser.place(".stage canvas", 0.12, 0.37))
    assert kept(browser) == "Instances kept: 1"
    browser.click_on("[data-part=draw]")
    start = browser.place(".stage canvas", 0.5, 0.7)
    x, y = browser.place(".stage canvas", 0.8, 0.95)
    browser.touch(start, (x - 9, y - 9), (x, y))
    assert kept(browser) == "Instances kept: 2"
    small = browser.run(
        "[...document.querySelectorAll('button')].filter((b) => b.checkVisibility() && b.offsetHeight < 32).length"
    )
    assert small == 0


def test_masks_are_decoded_as_by_pycocotools(browser: Browser) -> None:
    random = np.random.default_rng(0)
    masks = [np.zeros((5, 4), dtype=np.bool_), np.ones((3, 6), dtype=np.bool_)]
    masks += [random.random((int(h), int(w))) < 0.5 for h, w in random.integers(1, 60, (40, 2))]
    large = np.zeros((3000, 4000), dtype=np.bool_)
    large[17:2900, 40:3999] = True
    codes = [encode_rle(mask) for mask in [*masks, large]]
    script = (
        "Promise.all([import('/app/files/rle.js'), import('/app/files/outline.js')]).then(([rle, outline]) =>"
        " CODES.map((code) => { const c = rle.decodeCropped(code); const same ="
        " rle.encodeRuns(rle.decodeRuns(code)) === code.counts; return c === null ? [same, 0, null] : [same,"
        " outline.outlineRings(c).length, c.pixels.length > 4000 ? [c.left, c.top, c.width, c.height] :"
        " [c.left, c.top, c.width, [...c.pixels]]]; }))"
    )
    found = browser.run(script.replace("CODES", json.dumps(codes)))
    for mask, (same, _rings, cropped) in zip(masks, found, strict=False):
        assert same
        if cropped is None:
            assert not mask.any()
            continue
        left, top, width, pixels = cropped
        part = np.array(pixels, dtype=np.bool_).reshape(-1, width)
        box = mask[top : top + part.shape[0], left : left + width]
        assert np.array_equal(part, box)
        assert part.sum() == mask.sum()
    assert found[-1] == [True, 1, [40, 17, 3959, 2883]]
    boxes = [(0, 0, 4, 5), (1, 0, 3, 5), (1, 2, 2, 4), (0, 1, 4, 5), (3, 4, 4, 5)]
    drawn = browser.run(
        "import('/app/files/rle.js').then((rle) => BOXES.map((box) => rle.encodeBox(box, 4, 5)))".replace(
            "BOXES", json.dumps(boxes)
        )
    )
    for (left, top, right, bottom), code in zip(boxes, drawn, strict=True):
        wanted = np.zeros((5, 4), dtype=np.bool_)
        wanted[top:bottom, left:right] = True
        assert np.array_equal(decode_rle(code), wanted)
        assert code == encode_rle(wanted)


def test_the_page_opens_while_the_model_loads_and_asks_for_the_key(window: Browser, tmp_path: Path) -> None:
    path, image = tmp_path / "key", tmp_path / "a.png"
    path.write_text(KEY)
    path.chmod(0o600)
    Image.new("RGB", (120, 80)).save(image)
    service = FakeService(answers, ready=False)
    for url in serve(service, ServeSettings(api_key_file=path)):
        window.open(url)
        window.wait_for("document.getElementById('key').open")
        window.type(KEY)
        window.press("Enter")
        window.wait_for("document.getElementById('state').className === 'loading'")
        window.choose_file("#file", image)
        window.wait_for("!document.getElementById('panes').hidden")
        window.type("the mugs")
        window.press("Enter")
        window.wait_for("document.getElementById('progress').textContent.includes('is loading')")
        service.ready = True
        window.wait_for("document.querySelectorAll('.row').length === 2")
        assert KEY not in window.run("location.href")
    window.run("document.getElementById('ask').requestSubmit()")
    assert "The server does not answer" in problem(window)
    assert rows(window) == 2
    window.problems.clear()
