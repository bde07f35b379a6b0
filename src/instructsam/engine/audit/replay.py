"""The flow of a row with parts that are computed on the spot or known already: no server, no ledger, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from instructsam.engine.audit.simulated import SimulatedVLM
from instructsam.engine.checks import Steps
from instructsam.engine.stages.base import BrokenReplyError, Correction, Stage, VLMStage
from instructsam.engine.tasks import NO_USAGE, Part, Task, unusable_data

T = TypeVar("T")
Perform = Callable[[Task], Part]
TRIES = 3  # of a task whose reply is broken


def replay(steps: Steps[T], perform: Perform) -> T:
    """Performs all tasks of a flow one after the other, and returns its result."""
    try:
        tasks = next(steps)
        while True:
            tasks = steps.send([perform(task) for task in tasks])
    except StopIteration as end:
        result: T = end.value
        return result


class SimulatedTasks:
    """Performs tasks by the simulated model; a task that has been performed is looked up.

    Args:
        stages: by name.
        vlm: the model.
    """

    def __init__(self, stages: Mapping[str, Stage], vlm: SimulatedVLM) -> None:
        self.stages = stages
        self.vlm = vlm
        self.known: dict[str, Part] = {}
        self.used: list[Part] = []

    def __call__(self, task: Task) -> Part:
        """The part of a task; it is also appended to `used`."""
        stage = self.stages[task.stage]
        key = task.key(stage.fingerprint)
        if key not in self.known:
            self.known[key] = self._perform(stage, task, key)
        part = self.known[key]
        self.used.append(part)
        return part

    def _perform(self, stage: Stage, task: Task, key: str) -> Part:
        if not isinstance(stage, VLMStage):
            raise TypeError(f"the audit performs no local stages, got {stage.name!r}")
        correction, usage = None, NO_USAGE
        for _ in range(TRIES):
            reply = self.vlm.answer(stage, task, correction)
            usage += reply.usage
            try:
                return Part(key, stage.name, task.row.id, stage.data(task, reply.text), usage)
            except BrokenReplyError as error:
                correction = Correction(reply.text, str(error))
        problem = "" if correction is None else correction.problem
        return Part(key, stage.name, task.row.id, unusable_data(problem), usage)
