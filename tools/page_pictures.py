"""Draws the pictures of docs/app.md: the page of `instructsam app`, in a browser.

    instructsam app --no-browser --port 8000 &
    python -m tools.page_pictures http://127.0.0.1:8000/app --out docs/images

Needs Chromium.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.browser import Browser

_SECONDS = 60.0


def main() -> None:
    """Take the pictures of a running page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Browser(Path(folder)) as browser:
        browser.open(given.url, 1280, 860)
        browser.wait_for("document.querySelectorAll('#examples img[src]').length === 8", _SECONDS)
        browser.wait_for("document.getElementById('state').className === 'ready'", _SECONDS)
        answer(browser, "the small red mug, and separately the teapot")
        browser.move(*browser.place(".row:last-child .facts"))
        take(browser, given.out / "app.jpg")
        browser.resize(390, 844, dark=True)
        take(browser, given.out / "app_phone.jpg")


def answer(browser: Browser, instruction: str) -> None:
    """Segment the first example."""
    browser.run("document.querySelector('#examples button').click()")
    browser.wait_for("document.querySelectorAll('#history .tile').length === 1", _SECONDS)
    browser.run(f"document.getElementById('instruction').value = '{instruction}'")
    browser.run("document.getElementById('ask').requestSubmit()")
    browser.wait_for("document.querySelectorAll('#history .tile').length === 2", _SECONDS)


def take(browser: Browser, path: Path) -> None:
    """A picture of the top of the page."""
    browser.run("scrollTo(0, 0)")
    browser.run("new Promise((done) => setTimeout(done, 400))")
    path.write_bytes(browser.screenshot(quality=80))


if __name__ == "__main__":
    main()
