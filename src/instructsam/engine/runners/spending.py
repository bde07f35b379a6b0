"""The spending of a run: one line per call in `spending.jsonl`. It holds no text and no keys."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.tasks import NO_USAGE, Usage
from instructsam.errors import InputError
from instructsam.structures.checks import parse_json
from instructsam.structures.files import reason

SPENDING_NAME = "spending.jsonl"


@dataclass(frozen=True)
class Spent:
    """Sums over calls.

    Attributes:
        calls: requests, failed ones included.
        failed: requests without an answer.
        usage: tokens.
        cost: money, at the prices of the time.
        estimated: calls whose tokens are estimates, because the server gave none.
    """

    calls: int = 0
    failed: int = 0
    usage: Usage = NO_USAGE
    cost: float = 0.0
    estimated: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls,
            self.failed + other.failed,
            self.usage + other.usage,
            self.cost + other.cost,
            self.estimated + other.estimated,
        )


@dataclass(frozen=True)
class Call:
    """One request to a server.

    Attributes:
        model: name on the server.
        stage: that sent it.
        usage: its tokens.
        cost: its money.
        ok: whether an answer came.
        estimated: whether the tokens are an estimate.
        correction: whether it repeats a question after a broken reply.
    """

    model: str
    stage: str
    usage: Usage
    cost: float
    ok: bool = True
    estimated: bool = False
    correction: bool = False

    @property
    def spent(self) -> Spent:
        """Its share of the sums."""
        return Spent(1, int(not self.ok), self.usage, self.cost, int(self.estimated))


def cost(usage: Usage, settings: VLMSettings) -> float:
    """The money for tokens."""
    return (usage.input_tokens * settings.input_price + usage.output_tokens * settings.output_price) / 1e6


class SpendingLog:
    """A context manager that appends to a run's `spending.jsonl`. Several processes may append to one file.

    Attributes:
        models: sums by model, earlier runs included.
        stages: sums by stage, earlier runs included.
        damaged: lines that were cut off by a kill or a full disk, and are not in the sums.
    """

    def __init__(self, folder: Path) -> None:
        """Read the sums of earlier runs.

        Raises:
            InputError: the file cannot be read or written.
        """
        self.path = folder / SPENDING_NAME
        self.models: dict[str, Spent] = {}
        self.stages: dict[str, Spent] = {}
        self.damaged = 0
        try:
            incomplete = self._load()
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            if incomplete:
                os.write(self._descriptor, b"\n")
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> SpendingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    @property
    def total(self) -> Spent:
        """The sum over all models."""
        return sum(self.models.values(), Spent())

    def append(self, call: Call) -> None:
        """Keep a call.

        Raises:
            InputError: the file cannot be written.
        """
        line = {
            "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "model": call.model,
            "stage": call.stage,
            "input_tokens": call.usage.input_tokens,
            "output_tokens": call.usage.output_tokens,
            "cost": call.cost,
            "ok": call.ok,
            "estimated": call.estimated,
            "correction": call.correction,
        }
        try:
            os.write(
                self._descriptor, json.dumps(line).encode("ascii") + b"\n"
            )  # whole, also among processes
        except OSError as error:
            raise self._unwritable(error) from error
        self._add(call)

    def _add(self, call: Call) -> None:
        for sums, name in ((self.models, call.model), (self.stages, call.stage)):
            sums[name] = sums.get(name, Spent()) + call.spent

    def _load(self) -> bool:
        """Add up the file; returns whether its last line is incomplete."""
        if not self.path.exists():
            return False
        line = b"\n"
        with self.path.open("rb") as stream:
            for line in stream:
                call = _parse(line)
                if call is not None:
                    self._add(call)
                elif line.strip():
                    self.damaged += 1
        return not line.endswith(b"\n")

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self.path}: cannot be written ({reason(error)}): make room or correct the permissions, then run again "
            "to resume"
        )


def _parse(line: bytes) -> Call | None:
    """The call of a line; None for a line that is damaged."""
    try:
        value = parse_json(line, SPENDING_NAME)
        usage = Usage(int(value["input_tokens"]), int(value["output_tokens"]))
        flags = (bool(value[name]) for name in ("ok", "estimated", "correction"))
        return Call(str(value["model"]), str(value["stage"]), usage, float(value["cost"]), *flags)
    except (InputError, KeyError, TypeError, ValueError):
        return None
