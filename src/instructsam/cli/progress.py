"""Progress of a long command on stderr: a bar on a terminal, else a line from time to time."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from instructsam.cli.console import note
from instructsam.errors import InstructSAMError

EVERY = 15.0  # seconds between lines
_REMEMBERED = 20  # lines; the speed is measured since the oldest


class Steps:
    """Counts steps and reports the speed and the remaining time.

    The clock starts with the first call, so that loading a model and steps of an earlier run do not count.

    Args:
        unit: name of a step, in the plural.
        report: called with a line at most every 15 seconds.
        bar: updated instead of lines, on a terminal.
        clock: current time in seconds.
    """

    def __init__(
        self,
        unit: str,
        report: Callable[[str], None] | None = None,
        bar: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total: int | None = None
        self._unit, self._report, self._bar, self._clock = unit, report, bar, clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)
        self._task = None if bar is None else bar.add_task(unit, total=None)

    def __call__(self, done: int, detail: str = "") -> None:
        """Report that `done` steps are completed; `detail` is shown behind the counts."""
        if self._bar is not None and self._task is not None:
            shown = f"{self._unit} ({detail})" if detail else self._unit
            self._bar.update(self._task, completed=done, total=self.total, description=shown)
        now = self._clock()
        if not self._seen:
            self._seen.append((now, done))
        if self._report is None or now - self._seen[-1][0] < EVERY:
            return
        then, before = self._seen[0]
        speed = (done - before) / (now - then)
        self._seen.append((now, done))
        line = progress_line(self._unit, done, self.total, speed)
        self._report(f"{line}; {detail}" if detail else line)

    def expect(self, total: int | Callable[[], int] | None) -> None:
        """Set the total number of steps; a function is called in the background, so that nothing waits for it."""
        if not callable(total):
            self.total = total
            return
        count = total

        def count_steps() -> None:
            try:
                self.total = count()
            except InstructSAMError:  # the command itself reports it
                return

        threading.Thread(target=count_steps, daemon=True).start()


def progress_line(unit: str, done: int, total: int | None, speed: float) -> str:
    """A line such as "120/1000 instructions, 3.1 a second, 5 min left"; `speed` is in 1/s."""
    if total is None or total < done:
        return f"{done} {unit}, {_speed(speed)}"
    left = f", {_duration((total - done) / speed)} left" if speed > 0 else ""
    return f"{done}/{total} {unit}, {_speed(speed)}{left}"


@contextmanager
def counter(unit: str, shown: bool = True) -> Iterator[Steps]:
    """Progress on stderr; silent unless `shown`."""
    if not shown:
        yield Steps(unit)
    elif not sys.stderr.isatty():
        yield Steps(unit, report=note)
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # Lines on stdout appear above the bar if both are the same terminal; else stdout is not redirected.
        redirect = sys.stdout.isatty()
        with Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect
        ) as bar:
            yield Steps(unit, bar=bar)


def _speed(speed: float) -> str:
    if speed >= 1 or speed <= 0:
        return f"{speed:.1f} a second"
    return f"{60 * speed:.1f} a minute"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
