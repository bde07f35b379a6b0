"""Progress of a run: a bar or lines on stderr, and lines in `log.jsonl`, all means since the line before."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from torch import Tensor

from instructsam.errors import InstructSAMError
from instructsam.structures.files import reason, write_text

MEASURED_STEPS = 10  # after so many the time of the run is estimated
NOTHING = -1  # the step before step 0, whose line is a validation
SPEED_WINDOW = 600.0  # seconds over which the bar measures the speed


class ProgressLog:
    """Collects loss parts and writes a line every `seconds`.

    A part that did not occur since the last line is left out, never repeated. On a terminal there is a bar too.
    """

    def __init__(self, path: Path, seconds: float, total_steps: int, writes: bool = True) -> None:
        self.path = path
        self.seconds = seconds
        self.total_steps = total_steps
        self.writes = writes
        self._closed = False
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._last_time = time.monotonic()
        self._last: tuple[int, int] | None = None
        self._first: tuple[int, float] | None = None
        self._bar: Progress | None = None

    @contextmanager
    def bar(self) -> Iterator[None]:
        """Inside, a terminal shows a bar with the remaining time below the lines."""
        if not self.writes or not sys.stderr.isatty():
            yield
            return
        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        # a training step takes all cores: the bar is drawn twice a second, not ten times
        with Progress(
            *columns, console=console, refresh_per_second=2, speed_estimate_period=SPEED_WINDOW
        ) as self._bar:
            self._bar.add_task("training", total=self.total_steps)
            try:
                yield
            finally:
                self._bar.refresh()
        self._bar = None

    def tick(self, step: int) -> None:
        """Note that a step is done: for the bar, and after the first ten for an estimate of the whole time."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step)
        now = time.monotonic()
        if self._first is None:
            self._first = step, now  # the first step also compiles and allocates
            return
        first, then = self._first
        if step - first == MEASURED_STEPS - 1 and step < self.total_steps:
            each = (now - then) / (MEASURED_STEPS - 1)
            self.say(
                f"a step takes {each:.3g} s: about {_clock(each * (self.total_steps - step))} for the "
                f"{self.total_steps - step} steps that are left"
            )

    def start(self, step: int, instructions: int) -> None:
        """Begin to measure speed here."""
        self._last_time, self._last = time.monotonic(), (step, instructions)

    def add(self, parts: dict[str, Tensor]) -> None:
        """Take the loss parts of one step; nothing is copied off the device until a line is due."""
        for name, value in parts.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def due(self) -> bool:
        """Whether it is time for a line."""
        return time.monotonic() - self._last_time >= self.seconds

    def write(
        self, step: int, instructions: int, seconds: float, scalars: dict[str, float]
    ) -> dict[str, float]:
        """Write a line about the steps since the last one; its numbers, those of the loss as "loss/NAME"."""
        now = time.monotonic()
        parts = {name: float(total) / self._counts[name] for name, total in self._sums.items()}
        last_step, last_instructions = self._last or (0, 0)
        elapsed = max(now - self._last_time, 1e-9)
        per_second = (instructions - last_instructions) / elapsed
        line: dict[str, Any] = {
            "step": step,
            "instructions": instructions,
            "seconds": round(seconds, 1),
            "instructions_per_second": round(per_second, 2),
            **{name: float(f"{value:.6g}") for name, value in scalars.items()},
            "parts": {name: round(value, 5) for name, value in parts.items()},
        }
        self._sums, self._counts = {}, {}
        self._last_time, self._last = now, (step, instructions)
        if self.writes:
            self._append(line)
            eta = (self.total_steps - step) * elapsed / max(step - last_step, 1)
            self.say(_readable(line, self.total_steps, eta))
        losses = {f"loss/{name}": value for name, value in line.pop("parts").items()}
        return {**line, **losses}

    def write_validation(
        self, step: int, seconds: float, on: str, metrics: Mapping[str, float | None], stops: bool
    ) -> None:
        """Write a line about a validation on `on`; `stops` where the run ends early by it."""
        scores = {name: None if value is None else float(f"{value:.6g}") for name, value in metrics.items()}
        line = {"step": step, "seconds": round(seconds, 1), "on": on, "validation": scores}
        self._append({**line, "stopped_early": True} if stops else line)

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise InstructSAMError(
                f"{self.path}: cannot be written ({reason(error)}): make room or restore the rights there, then "
                "repeat the command with --resume"
            ) from error

    def say(self, text: str) -> None:
        """One line on stderr, from the main process only.

        A closed terminal or a pipe without a reader ends the lines, not the run.
        """
        if self.writes and not self._closed:
            try:
                if self._bar is not None:
                    self._bar.console.print(Text(text))
                else:
                    print(text, file=sys.stderr, flush=True)
            except OSError:
                self._closed = True


def cut_log(path: Path, step: int) -> None:
    """Drop lines after a step: a resumed run goes through those steps again; a new run keeps `NOTHING`."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):  # the line that a killed process was writing
            continue
    write_text(path, "".join(line + "\n" for line in kept))


def _readable(line: dict[str, Any], total_steps: int, eta: float) -> str:
    parts = "  ".join(f"{name} {value:.4g}" for name, value in line["parts"].items())
    return (
        f"step {line['step']}/{total_steps}  {parts}  lr {line['lr']:.2e}  "
        f"{line['instructions_per_second']:.1f} instr/s  left {_clock(eta)}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
