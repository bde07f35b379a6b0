"""Chromium without a window, driven through its own protocol over two pipes; nothing but the standard library."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_SECONDS = 60


class Browser:
    """One page of a browser.

    Attributes:
        problems: what its console reported: errors and refused resources.
        requests: "METHOD URL" of what the page has requested, without data and blob URLs.
    """

    def __init__(self, folder: Path) -> None:
        if CHROMIUM is None:
            raise RuntimeError("Chromium is not installed: apt-get install chromium")
        to_browser, from_browser = os.pipe(), os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (to_browser[0], from_browser[1])]
        for end in (to_browser[0], from_browser[1]):
            os.close(end)
        self._out, self._in = to_browser[1], from_browser[0]

        def give_pipes() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            "--hide-scrollbars",
        ]
        arguments += [f"--user-data-dir={folder / 'profile'}", "--no-first-run", "about:blank"]
        self._process = subprocess.Popen(
            [CHROMIUM, *arguments],
            preexec_fn=give_pipes,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in ends:
            os.close(end)
        self._buffer = b""
        self._number = 0
        self._session = ""
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._events: list[str] = []

    def __enter__(self) -> Browser:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._session = ""
            self._call("Browser.close")
            self._process.wait(timeout=20)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._out)
            os.close(self._in)

    def open(self, place: Path | str, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """Open a file or a URL and wait until it has loaded; a window below 600 px is a phone with touch."""
        self.resize(width, height, dark)
        self._events.clear()
        self._call("Page.navigate", url=place.as_uri() if isinstance(place, Path) else place)
        self._wait_until_loaded()

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        """Set the size of the window and its colours."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._call("Emulation.setTouchEmulationEnabled", enabled=width < 600)
        self._call("Emulation.setEmulatedMedia", features=scheme)

    def follow(self, selector: str) -> None:
        """Click a link and wait until its page has loaded."""
        self._events.clear()
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        self._wait_until_loaded()

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is awaited."""
        found = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def wait_for(self, script: str, seconds: float = 10.0) -> Any:
        """The value of an expression as soon as it is truthy."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise AssertionError(f"not true within {seconds} s: {script}")
            time.sleep(0.03)
        return value

    def place(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
        """The place in the window of a share of an element's box, after scrolling to it."""
        found = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'}); const b = e.getBoundingClientRect();"
            f" return [b.left + b.width * {x}, b.top + b.height * {y}]; }})()"
        )
        return float(found[0]), float(found[1])

    def click_on(self, selector: str) -> None:
        """Click at the middle of an element."""
        self.click(*self.place(selector))

    def type(self, text: str) -> None:
        """Type text into the element in focus."""
        self._call("Input.insertText", text=text)

    def press(self, *keys: str, modifiers: int = 0) -> None:
        """Press keys one after the other: letters, digits, "Enter", "Escape", "Tab", " ", arrows.

        Args:
            keys: their names.
            modifiers: held meanwhile; the sum of 1 (Alt), 2 (Control), 4 (Meta), 8 (Shift).
        """
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        for key in keys:
            text = "\r" if key == "Enter" else key if len(key) == 1 and modifiers in (0, 8) else ""
            code = codes.get(key) or ord(key.upper())
            both = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
            self._call("Input.dispatchKeyEvent", type="keyDown", text=text, **both)
            self._call("Input.dispatchKeyEvent", type="keyUp", **both)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window, px."""
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def move(self, x: float, y: float) -> None:
        """Move the mouse to a place of the window, px."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at a place, move to another, release."""
        both = {"button": "left", "buttons": 1, "clickCount": 1}
        self._call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **both)
        for share in (0.3, 0.7, 1.0):
            x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
            self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, **both)
        self._call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], **both)

    def touch(self, *points: tuple[float, float]) -> None:
        """Put a finger at the first place, move it through the others, lift it."""
        for number, (x, y) in enumerate(points):
            kind = "touchMove" if number else "touchStart"
            self._call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self._call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def drop(self, path: Path, x: float, y: float) -> None:
        """Drop a file at a place of the window."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self._call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def download_to(self, folder: Path) -> None:
        """Save downloads in a folder."""
        self._call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a form."""
        document = self._call("DOM.getDocument")["root"]["nodeId"]
        node = self._call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self._call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def screenshot(self, quality: int | None = None) -> bytes:
        """The window as a PNG, or as a JPEG of a quality."""
        kind = {"format": "png"} if quality is None else {"format": "jpeg", "quality": quality}
        return base64.b64decode(self._call("Page.captureScreenshot", **kind)["data"])

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + _SECONDS
        while True:
            answer = self._next(end)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])

    def _wait_until_loaded(self) -> None:
        end = time.monotonic() + _SECONDS
        while "Page.loadEventFired" not in self._events:
            self._next(end)
        self.run("new Promise((done) => setTimeout(done, 150))")

    def _next(self, end: float) -> dict[str, Any]:
        """The next message; events are kept."""
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0.0, end - time.monotonic()))[0]:
                raise RuntimeError("the browser does not answer")
            block = os.read(self._in, 1 << 20)
            if not block:
                raise RuntimeError("the browser has ended")
            self._buffer += block
        line, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        method = message.get("method", "")
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            request = message["params"]["request"]
            if request["url"].startswith(("http", "file")):
                self.requests.append(f"{request['method']} {request['url']}")
        error = method == "Runtime.consoleAPICalled" and message["params"]["type"] in ("error", "warning")
        if error or method in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.problems.append(json.dumps(message["params"]))
        return message
