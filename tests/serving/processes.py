"""Servers in a process of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen


class ServerProcess:
    """`instructsam serve` with options; its URL is known once it listens."""

    def __init__(self, folder: Path, *options: str, code: str = "") -> None:
        command = [sys.executable, *(["-c", code] if code else ["-m", "instructsam", "serve", "--port", "0"])]
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *options], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + self.log.read_text()
        self.url = found.group()

    def status(self, path: str) -> int:
        """The status of a GET request; 0 when nothing listens."""
        try:
            with urlopen(self.url + path, timeout=10) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except (URLError, OSError):
            return 0

    def wait_until(self, path: str, status: int, seconds: float = 180.0) -> None:
        """Wait for a status."""
        end = time.monotonic() + seconds
        while (found := self.status(path)) != status:
            assert time.monotonic() < end, f"{path}: {found}, {status} was expected: {self.log.read_text()}"
            time.sleep(0.05)

    def records(self) -> list[dict[str, object]]:
        """The lines of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def server_process(folder: Path, *options: str, code: str = "") -> Iterator[ServerProcess]:
    """A server that is killed at the end."""
    server = ServerProcess(folder, *options, code=code)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()
