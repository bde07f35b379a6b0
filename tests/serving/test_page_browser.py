"""The page in a real browser, against a server with a made model. Run by `make test-browser`; needs Chromium."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image

from instructsam.inference.jobs import ImageJob
from instructsam.serving.app import create_app
from instructsam.serving.errors import BusyError
from instructsam.serving.server import open_socket, url_of
from instructsam.serving.service import Service
from instructsam.serving.settings import Limits, ServeSettings
from instructsam.structures.instances import Instances
from instructsam.structures.masks import decode_rle, encode_rle, mask_boxes_xyxy
from instructsam.structures.predictions import Prediction
from tests.browser import Browser
from tests.serving.fakes import FakeService

pytestmark = pytest.mark.browser

KEY = "k" * 20
HOSTILE = "<img src=x onerror=alert(1)>"


def answers(job: ImageJob) -> list[Prediction]:
    """Two squares of scores 0.9 and 0.4, the second below; "nothing" has none, "many" uses every slot."""
    (text,) = job.instructions
    image = job.image.image
    count = {"nothing": 0, "many": 3}.get(text, 2)
    masks = np.zeros((count, image.height, image.width), dtype=np.bool_)
    for number in range(count):
        left = number * image.width // 3
        masks[number, image.height // 4 : image.height // 2, left + 2 : left + image.width // 4] = True
    phrases = ("mug", "plate") if text == "two phrases" else (text,)
    ids = np.arange(count, dtype=np.int64) % len(phrases)
    scores = np.array([0.9, 0.4, 0.35][:count], dtype=np.float32)
    found = Instances(masks, mask_boxes_xyxy(masks), scores, ids)
    status = "ok" if count else "no_target"
    size = (image.height, image.width)
    reply = ", ".join(phrases)
    return [Prediction(found, phrases, reply, status, text, size, image, ("a note",), "generate", 3)]


def serve(service: Service, settings: ServeSettings | None = None) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(service, settings), log_level="critical"))
    listener = open_socket("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield url_of(listener) + "/app"
    server.should_exit = True
    thread.join(20)
    listener.close()


SERVICE = FakeService(answers, models=("default", "other"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    yield from serve(SERVICE, ServeSettings(limits=Limits(max_bytes=200_000)))


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def browser(window: Browser, url: str) -> Iterator[Browser]:
    """The page, just opened; nothing may have been reported on its console in the end."""
    open_page(window, url)
    SERVICE.error = None
    yield window
    assert window.problems == []


def open_page(browser: Browser, url: str, width: int = 1280, dark: bool = False) -> None:
    browser.open(url, width, 900, dark)
    browser.problems.clear()
    browser.wait_for("document.getElementById('state').className === 'ready'")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "shelf.png"
    Image.new("RGB", (120, 80), "steelblue").save(path)
    return path


def text_of(browser: Browser, name: str) -> str:
    return str(browser.run(f"document.querySelector('[data-part={name}]').innerText"))


def ask(browser: Browser, instruction: str) -> None:
    browser.run("document.getElementById('instruction').select()")
    browser.type(instruction)
    browser.press("Enter")
    wanted = json.dumps(instruction)
    browser.wait_for(
        "document.querySelector('.pane').getAttribute('aria-busy') === 'false' &&"
        f" document.querySelector('#history .caption')?.textContent === {wanted}"
    )


def choose(browser: Browser, image: Path, instruction: str = "the mugs") -> None:
    browser.choose_file("#file", image)
    browser.wait_for("!document.getElementById('panes').hidden")
    ask(browser, instruction)


def rows(browser: Browser) -> int:
    return int(browser.run("document.querySelectorAll('.pane .row').length"))


def problem(browser: Browser) -> str:
    browser.wait_for("!document.getElementById('problem').hidden")
    return str(browser.run("document.getElementById('problem-text').textContent"))


def kept(browser: Browser) -> str:
    return text_of(browser, "download-count")


def slide(browser: Browser, value: float) -> None:
    browser.run(
        f"(() => {{ const s = document.getElementById('threshold'); s.value = '{value}';"
        " s.dispatchEvent(new Event('input')); })()"
    )


def saved(browser: Browser, folder: Path, format: str) -> Path:
    browser.download_to(folder)
    browser.run(f"document.querySelector('[data-part=format]').value = '{format}'")
    browser.run("document.querySelector('[data-part=download]').requestSubmit()")
    browser.wait_for("document.querySelector('[data-part=done]').textContent.startsWith('Saved')")
    return wait_until(lambda: next(iter(path for path in folder.glob(f"*_{format}.*[a-z]")), None))


def wait_until(find: Callable[[], Path | None]) -> Path:
    for _ in range(200):
        found = find()
        if found is not None and not found.name.endswith(".crdownload"):
            return found
        time.sleep(0.05)
    raise AssertionError("nothing was saved")


def test_an_example_is_segmented_and_the_slider_needs_no_request(browser: Browser, image: Path) -> None:
    choose(browser, image)
    assert text_of(browser, "headline") == "2 instances of “the mugs”"
    assert "The model's reply: “the mugs”" in text_of(browser, "reply")
    assert "Note: A note." in text_of(browser, "details")
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
