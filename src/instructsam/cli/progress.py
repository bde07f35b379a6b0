"""How far a long command is, on stderr: a bar on a terminal, else a line now and then."""

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
_REMEMBERED = 20  # lines; the speed is that since the oldest of them


class Steps:
    """Told how many are done; says how fast it goes and how long it still takes.

    The clock starts with the first call: loading a model, and what a resumed run finds done, say nothing of the speed.

    Args:
        what: what is counted, in the plural.
        say: gets a line at most every 15 seconds.
        bar: drawn instead, where there is a terminal.
        clock: seconds.
    """

    def __init__(
        self,
        what: str,
        say: Callable[[str], None] | None = None,
        bar: Progress | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total: int | None = None
        self._what, self._say, self._bar, self._clock = what, say, bar, clock
        self._seen: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)
        self._task = None if bar is None else bar.add_task(what, total=None)

    def __call__(self, done: int) -> None:
        """This many are done by now."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=self.total)
        now = self._clock()
        if not self._seen:
            self._seen.append((now, done))
        if self._say is None or now - self._seen[-1][0] < EVERY:
            return
        then, before = self._seen[0]
        speed = (done - before) / (now - then)
        self._seen.append((now, done))
        self._say(progress_line(self._what, done, self.total, speed))

    def expect(self, total: int | Callable[[], int] | None) -> None:
        """How many there will be; a function is asked in the background, so that nothing waits for the answer."""
        if not callable(total):
            self.total = total
            return
        asked = total

        def ask() -> None:
            try:
                self.total = asked()
            except InstructSAMError:  # the command itself meets it and says it
                return

        threading.Thread(target=ask, daemon=True).start()


def progress_line(what: str, done: int, total: int | None, speed: float) -> str:
    """Such as "120/1000 instructions, 3.1 a second, 5 min left"; `speed` is in 1/s."""
    if total is None or total < done:
        return f"{done} {what}, {_speed(speed)}"
    left = f", {_duration((total - done) / speed)} left" if speed > 0 else ""
    return f"{done}/{total} {what}, {_speed(speed)}{left}"


@contextmanager
def counter(what: str, shown: bool = True) -> Iterator[Steps]:
    """Counts steps for the user, on stderr; not at all unless `shown`."""
    if not shown:
        yield Steps(what)
    elif not sys.stderr.isatty():
        yield Steps(what, say=note)
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # Lines on stdout are drawn above the bar where both are one terminal; else stdout stays what it is.
        redirect = sys.stdout.isatty()
        with Progress(
            *columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect
        ) as bar:
            yield Steps(what, bar=bar)


def _speed(speed: float) -> str:
    if speed >= 1 or speed <= 0:
        return f"{speed:.1f} a second"
    return f"{60 * speed:.1f} a minute"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
