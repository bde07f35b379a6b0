"""Progress on stderr, with and without a terminal."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console
from rich.progress import Progress

from instructsam.cli.progress import EVERY, Steps, counter, progress_line
from instructsam.errors import InputError


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("done", "total", "speed", "line"),
    [
        (120, 1000, 3.1, "120/1000 things, 3.1 a second, 5 min left"),
        (990, 1000, 2.0, "990/1000 things, 2.0 a second, 5 s left"),
        (1, 1000, 0.01, "1/1000 things, 0.6 a minute, 27 h 45 min left"),
        (7, None, 1.0, "7 things, 1.0 a second"),
        (12, 10, 1.0, "12 things, 1.0 a second"),  # a share that is larger than thought
        (3, 10, 0.0, "3/10 things, 0.0 a second"),
    ],
)
def test_lines(done: int, total: int | None, speed: float, line: str) -> None:
    assert progress_line("things", done, total, speed) == line


def test_a_line_now_and_then_with_the_recent_speed() -> None:
    clock, lines = Clock(), list[str]()
    steps = Steps("things", lines.append, clock=clock)
    steps.expect(1000)
    clock.now += 60  # the model is loaded
    steps(900)  # a resumed run has these at once
    assert lines == []
    for done in range(901, 1000):
        clock.now += EVERY / 2
        steps(done)
    assert len(lines) == 49
    assert lines[0] == "902/1000 things, 8.0 a minute, 12 min left"  # nothing else counts for the speed
    assert lines[-1].startswith("998/1000 things, 8.0 a minute, ")
    assert lines[-1].endswith("15 s left")


def test_the_total_may_come_later_or_never() -> None:
    steps, known = Steps("things"), threading.Event()

    def count() -> int:
        known.set()
        return 12

    steps.expect(count)
    assert known.wait(5)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(1)
    assert steps.total == 12

    def fail() -> int:
        raise InputError("the file is broken")

    other = Steps("things")
    other.expect(fail)  # the command itself says it; nothing is printed from here
    assert other.total is None


def test_without_a_terminal_nothing_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with counter("things") as steps:
        steps.expect(3)
        steps(1)
    with counter("things", shown=False) as steps:
        steps(1)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal() -> None:
    stream = io.StringIO()
    with Progress(console=Console(file=stream, force_terminal=True, width=80)) as bar:
        steps = Steps("things", bar=bar)
        steps.expect(4)
        steps(3)
    assert "things" in stream.getvalue()
    assert bar.tasks[0].completed == 3
    assert bar.tasks[0].total == 4
