"""Are further objects meant, numbered or not? For candidates with numbers, and for those without target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from instructsam.engine.stages.base import Pictures, Question
from instructsam.engine.stages.quoting import Data
from instructsam.engine.stages.replies import FLAG, NUMBERS, TEXT, check_numbers, object_schema, parse_reply
from instructsam.engine.stages.verifier import Verifier, candidate_of, check_flag, note_of
from instructsam.engine.tasks import Task

_SCHEMA = object_schema(reasoning=TEXT, numbers=NUMBERS, unmarked=FLAG, note=TEXT)


class ExhaustiveStage(Verifier):
    """The clean and the marked picture, an instruction and its answer: is anything missing from the answer?"""

    name: ClassVar[str] = "exhaustive"
    slots: ClassVar[tuple[str, ...]] = ("instruction", "answer", "count")
    schema: ClassVar[Mapping[str, Any]] = _SCHEMA

    def question(self, task: Task, pictures: Pictures) -> Question:
        """Which objects the instruction means beside the claimed ones."""
        candidate = candidate_of(task)
        values: dict[str, Data] = {
            "instruction": candidate.instruction,
            "answer": list(candidate.numbers),
            "count": len(task.row.instances),
        }
        return self.ask(task, values, (pictures.clean(task.row), pictures.marked(task.row)))

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """{"numbers": further ones that are meant, "unmarked": whether one without number is, "note": text}."""
        return _further(task, reply, candidate_of(task).numbers)


class NoTargetStage(Verifier):
    """The clean and the marked picture with an instruction: is anything meant at all?"""

    name: ClassVar[str] = "no_target"
    slots: ClassVar[tuple[str, ...]] = ("instruction", "count")
    schema: ClassVar[Mapping[str, Any]] = _SCHEMA

    def question(self, task: Task, pictures: Pictures) -> Question:
        """Which objects the instruction means, if any."""
        values: dict[str, Data] = {
            "instruction": candidate_of(task).instruction,
            "count": len(task.row.instances),
        }
        return self.ask(task, values, (pictures.clean(task.row), pictures.marked(task.row)))

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """As of `ExhaustiveStage`, for an answer without numbers."""
        return _further(task, reply, ())


def _further(task: Task, reply: str, known: tuple[int, ...]) -> dict[str, Any]:
    values = parse_reply(reply, "numbers", "unmarked")
    numbers = check_numbers(values["numbers"], "numbers", len(task.row.instances))
    return {
        "numbers": [number for number in numbers if number not in known],
        "unmarked": check_flag(values["unmarked"], "unmarked"),
        "note": note_of(values, "an object without number is meant"),
    }
