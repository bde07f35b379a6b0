"""Performing a task: looked up in the ledger, computed by its stage, appended at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from instructsam.engine.ledger.lines import check_data
from instructsam.engine.ledger.store import PartStore
from instructsam.engine.runners.stop import RunStoppedError, Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import (
    BrokenReplyError,
    Correction,
    LocalStage,
    Pictures,
    Reply,
    Responder,
    Stage,
    VLMStage,
)
from instructsam.engine.stages.table import ROLES, settings_of
from instructsam.engine.tasks import NO_USAGE, Part, Task, Usage, unusable_data
from instructsam.errors import ConfigError, InputError, InstructSAMError, ServiceError

_LONGEST = 200  # characters of a refusal that a message repeats
_SHORT = 8000  # characters of a reply that is parsed in the thread of the event loop


class TaskFailedError(InstructSAMError):
    """A task without a part: the server gives up, the image is damaged, ...; the next run tries it again."""


class Performer:
    """Performs tasks of any row, in the thread of one event loop.

    A task about a candidate to which the model gives no usable reply has a part that states this, and the flow decides.
    A task about the row itself fails in that case, since all of the row depends on it.

    Attributes:
        usage: tokens of the parts that it computed.
    """

    def __init__(
        self,
        config: EngineConfig,
        stages: Mapping[str, Stage],
        responders: Mapping[str, Responder],
        pictures: Pictures,
        ledger: PartStore,
        stop: Stop,
        threads: Executor,
        model_thread: Executor,
    ) -> None:
        """`threads` work with text and pictures, `model_thread` runs the local stages one by one.

        Raises:
            ConfigError: a stage that asks a model has no responder.
        """
        self._config, self._responders = config, responders
        self._pictures, self._ledger, self._stop = pictures, ledger, stop
        self._threads, self._model_thread = threads, model_thread
        self._fingerprints = {name: stage.fingerprint for name, stage in stages.items()}
        self._asking = {name: stage for name, stage in stages.items() if isinstance(stage, VLMStage)}
        self._local = {
            name: stage
            for name, stage in stages.items()
            if isinstance(stage, LocalStage) and name not in self._asking
        }
        # By responder, rows since its last usable reply.
        self._failing: defaultdict[str, set[str]] = defaultdict(set)
        self.usage = NO_USAGE
        if missing := sorted(set(self._asking) - set(responders)):
            raise ConfigError(
                f"the stages {', '.join(missing)} need responders, got {', '.join(responders) or 'none'}"
            )

    async def perform(self, task: Task) -> Part:
        """The part of a task, which the ledger holds afterwards.

        Raises:
            TaskFailedError: there is no part.
            RunStoppedError: the run stops.
        """
        key = task.key(self._fingerprints[task.stage])
        part = self._ledger.get(key)
        if part is not None:
            return part
        self._stop.check()
        try:
            data, usage = await (self._ask(task) if task.stage in self._asking else self._run(task))
        except RunStoppedError:
            raise
        except InstructSAMError as error:
            raise TaskFailedError(f"{task.stage}: {error}") from error
        part = Part(key, task.stage, task.row.id, data, usage)
        self._ledger.append(part)
        self.usage += usage
        return part

    async def _run(self, task: Task) -> tuple[dict[str, Any], Usage]:
        run, loop = self._local[task.stage].run, asyncio.get_running_loop()
        return await loop.run_in_executor(self._model_thread, run, task, self._pictures), NO_USAGE

    async def _ask(self, task: Task) -> tuple[dict[str, Any], Usage]:
        stage, responder = self._asking[task.stage], self._responders[task.stage]
        tries = settings_of(ROLES.get(task.stage, "proposer"), self._config).corrections + 1
        correction: Correction | None = None
        usage = NO_USAGE
        for _ in range(tries):
            try:
                reply = await responder.reply(stage, task, self._pictures, correction)
            except ServiceError as error:
                self._failed(task, str(error))
                raise
            usage = reply.usage
            try:
                data = await self._parse(stage, task, reply)
            except BrokenReplyError as error:
                correction = Correction(reply.text, str(error))
                self._stop.check()
                continue
            self._failing[responder.name].clear()
            return data, usage
        problem = f"no usable reply in {tries} tries: {correction.problem if correction else ''}"
        self._failed(task, f"{responder.name} gave {problem}")
        if not task.subject:
            raise ServiceError(f"{responder.name} gave {problem}")
        return unusable_data(problem), usage

    async def _parse(self, stage: VLMStage, task: Task, reply: Reply) -> dict[str, Any]:
        if reply.refused:
            words = " ".join(reply.text.split())[:_LONGEST]
            raise BrokenReplyError(f"the reply is a refusal ({words})" if words else "the reply was withheld")
        if reply.cut:  # the start of a list of numbers must not count as all of them
            raise BrokenReplyError("the reply reached the limit of tokens before its end: write less")
        if len(reply.text) < _SHORT:  # a thread costs more
            data = stage.data(task, reply.text)
        else:
            loop = asyncio.get_running_loop()
            data = await loop.run_in_executor(self._threads, stage.data, task, reply.text)
        try:
            check_data(data)  # a reply may escape half a character, which no line of a ledger can hold
        except InputError as error:
            raise BrokenReplyError(str(error)) from error
        return data

    def _failed(self, task: Task, problem: str) -> None:
        """Count a failure of a model; failures in too many rows, with no usable reply between, stop the run."""
        rows = self._failing[self._responders[task.stage].name]
        rows.add(task.row.id)
        most = settings_of(ROLES.get(task.stage, "proposer"), self._config).max_failures
        if len(rows) >= most:
            self._stop.request(
                f"no usable reply for {most} rows in succession, the last time because {problem}. Correct the "
                "cause and run again to resume"
            )
