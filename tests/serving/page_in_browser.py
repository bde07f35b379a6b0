"""The page in a real browser, against a server with a made model: what its tests share."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import uvicorn

from instructsam.inference.jobs import ImageJob
from instructsam.serving.app import create_app
from instructsam.serving.server import open_socket, url_of
from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.predictions import Prediction
from tests.browser import Browser
from tests.serving.fakes import FakeService

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


def open_page(browser: Browser, url: str, width: int = 1280, dark: bool = False) -> None:
    browser.open(url, width, 900, dark)
    browser.problems.clear()
    browser.wait_for("document.getElementById('state').className === 'ready'")


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
