"""The actors of a run on Ray: workers that perform rows, and one reader of the ledger. Ray itself is not imported."""

from __future__ import annotations

import asyncio
import math
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from instructsam.engine.flow import OUTCOME
from instructsam.engine.ledger.batch import BatchStore
from instructsam.engine.ledger.folders import is_url, open_file_system
from instructsam.engine.ledger.lines import format_part
from instructsam.engine.ledger.segments import SegmentWriter, open_segment
from instructsam.engine.rows import parse_row
from instructsam.engine.run_folder import RunFolder
from instructsam.engine.runners.local import check_servers, run_rows
from instructsam.engine.runners.outcomes import outcome_fingerprint
from instructsam.engine.runners.progress import RunReport
from instructsam.engine.runners.spending import SpendingLog, Spent
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.stages.base import Pictures, Responder, Stage
from instructsam.engine.tasks import Part, Task
from instructsam.errors import InstructSAMError

REPORT: TypeAdapter[RunReport] = TypeAdapter(RunReport)


@dataclass(frozen=True)
class Equipment:
    """The objects that perform tasks, as `run_rows` takes them."""

    stages: Mapping[str, Stage]
    responders: Mapping[str, Responder]
    pictures: Pictures


Build = Callable[[EngineConfig, SpendingLog, Stop], Equipment]
"""Opens the equipment of one process; a function of a module, since it is sent to the actors."""


class LedgerReader:
    """The one actor that reads the ledger, through its index; on the machine of the driver."""

    def __init__(self, folder: RunFolder) -> None:
        self._ledger = folder.open_ledger()

    def known(self, rows: Sequence[tuple[str, str]]) -> list[bytes]:
        """The lines of all parts of rows; of a finished row its outcome alone.

        Args:
            rows: ids, and keys of their outcomes.
        """
        self._ledger.refresh()
        parts: list[Part] = []
        for row, key in rows:
            outcome = self._ledger.get(key)
            parts += self._ledger.parts_of(row) if outcome is None else [outcome]
        return [format_part(part) for part in parts]


class RowWorker:
    """An actor that performs batches of rows, and appends their parts to a segment of its own.

    Args:
        config: of the run; the limits and caps of the served models are divided among the actors.
        folder: of the run.
        build: opens the equipment.
        reader: handle of the `LedgerReader`.
    """

    def __init__(self, config: EngineConfig, folder: RunFolder, build: Build, reader: Any) -> None:
        self._config, self._folder, self._build, self._reader = config, folder, build, reader
        self._loop = asyncio.new_event_loop()  # connections of responders belong to one loop
        self._opened: _Opened | None = None

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
        """Perform the rows of ranges of the file of rows.

        Args:
            batch: `offset` and `length` of each range, in bytes.

        Returns:
            `report`: a `RunReport` as JSON; `spending`: new lines of the log, where the driver cannot read it;
            `error`: why the run must end, "" for no error.
        """
        results: dict[str, list[str]] = {"report": [], "spending": [], "error": []}
        for offset, length in zip(batch["offset"], batch["length"], strict=True):
            report, problem = "", ""
            try:
                done = self._loop.run_until_complete(self._perform(int(offset), int(length)))
                report = REPORT.dump_json(done).decode()
            except InstructSAMError as error:  # Ray would repeat it with its own words around it
                problem = str(error)
            for name, value in (("report", report), ("spending", self._new_spending()), ("error", problem)):
                results[name].append(value)
        return results

    async def _perform(self, offset: int, length: int) -> RunReport:
        if (
            self._opened is None
        ):  # here, because Ray passes on the errors of calls, and not those of `__init__`
            self._opened = _open(self._config, self._folder, self._build)
            await check_servers(self._opened.equipment.responders)
        opened, equipment = self._opened, self._opened.equipment
        files, path = open_file_system(self._folder.shared_rows)
        rows = [parse_row(line) for line in files.cat_file(path, offset, offset + length).splitlines()]
        keys = [(row.id, Task(OUTCOME, row).key(opened.fingerprint)) for row in rows]
        try:
            return await run_rows(
                rows,
                opened.config,
                equipment.stages,
                equipment.responders,
                equipment.pictures,
                BatchStore(self._known(keys), opened.writer),
                stop=opened.stop,
                spending=opened.spending,
            )
        finally:
            opened.writer.flush(force=is_url(self._folder.ledger))

    def _known(self, keys: list[tuple[str, str]]) -> list[bytes]:
        import ray

        lines: list[bytes] = ray.get(self._reader.known.remote(keys))
        return lines

    def _new_spending(self) -> str:
        opened = self._opened
        if opened is None or not self._folder.storage:
            return ""
        with opened.spending.path.open("rb") as stream:
            stream.seek(opened.sent)
            lines = stream.read()
        opened.sent += len(lines)
        return lines.decode()


@dataclass
class _Opened:
    """The open files and connections of a worker; `sent` bytes of its spending log are known to the driver."""

    config: EngineConfig
    equipment: Equipment
    fingerprint: str
    writer: SegmentWriter
    spending: SpendingLog
    stop: Stop
    sent: int


def _open(config: EngineConfig, folder: RunFolder, build: Build) -> _Opened:
    spending, stop = _open_spending(folder), Stop()
    config = share_limits(config, spending.models)
    equipment = build(config, spending, stop)
    writer = open_segment(folder.ledger, f"ray-{uuid.uuid4().hex[:16]}")
    fingerprint = outcome_fingerprint(config, equipment.stages)
    return _Opened(config, equipment, fingerprint, writer, spending, stop, spending.path.stat().st_size)


def share_limits(config: EngineConfig, spent: Mapping[str, Spent]) -> EngineConfig:
    """The settings of one actor: its share of requests, and of the budget that is left.

    Args:
        config: of the run.
        spent: by model, until now.
    """
    actors = config.cluster.actors

    def share(settings: VLMSettings) -> VLMSettings:
        before = spent.get(settings.model, Spent())
        tokens = before.usage.input_tokens + before.usage.output_tokens
        return settings.model_copy(
            update={
                "concurrency": math.ceil(settings.concurrency / actors),
                "requests_per_minute": settings.requests_per_minute / actors,
                "tokens_per_minute": settings.tokens_per_minute / actors,
                "max_tokens": math.ceil(_cap(settings.max_tokens, tokens, actors)),
                "max_cost": _cap(settings.max_cost, before.cost, actors),
            }
        )

    verifier = None if config.verifier is None else share(config.verifier)
    return config.model_copy(update={"vlm": share(config.vlm), "verifier": verifier})


def _cap(cap: float, spent: float, actors: int) -> float:
    """The cap of one actor, which counts what was spent before; 0 for none."""
    return spent + (cap - spent) / actors if cap > spent else cap


def _open_spending(folder: RunFolder) -> SpendingLog:
    """The log of the run, or a copy of it on this machine where `output_dir` is not shared."""
    if not folder.storage:
        return SpendingLog(folder.root)
    copy = Path(tempfile.mkdtemp())
    files, path = open_file_system(folder.shared_spending)
    files.get_file(path, str(copy / folder.spending.name))
    return SpendingLog(copy)
