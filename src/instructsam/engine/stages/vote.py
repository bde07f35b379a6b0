"""Which numbers are meant? One vote; the claimed numbers, phrases and categories are not shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from instructsam.engine.rows import ImageRow
from instructsam.engine.stages.base import Pictures, Question
from instructsam.engine.stages.quoting import Data
from instructsam.engine.stages.replies import NUMBERS, TEXT, check_numbers, object_schema, parse_reply
from instructsam.engine.stages.verifier import Verifier, candidate_of
from instructsam.engine.tasks import Task
from instructsam.engine.votes import true_numbers


class VoteStage(Verifier):
    """The clean and the marked picture with an instruction; the objects are numbered in the order of the vote."""

    name: ClassVar[str] = "vote"
    slots: ClassVar[tuple[str, ...]] = ("instruction", "count")
    schema: ClassVar[Mapping[str, Any]] = object_schema(reasoning=TEXT, numbers=NUMBERS)

    def question(self, task: Task, pictures: Pictures) -> Question:
        """Which of the numbered objects the instruction means."""
        values: dict[str, Data] = {
            "instruction": candidate_of(task).instruction,
            "count": len(task.row.instances),
        }
        return self.ask(task, values, (pictures.clean(task.row), pictures.marked(shown_row(task))))

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """{"numbers": those of the row, ascending}."""
        shown = check_numbers(parse_reply(reply, "numbers")["numbers"], "numbers", len(task.row.instances))
        return {"numbers": list(true_numbers(task, shown))}


def shown_row(task: Task) -> ImageRow:
    """The row with its objects in the order in which a vote numbers them."""
    order = task.subject.get("order")
    if not order:
        return task.row
    return replace(task.row, instances=tuple(task.row.instances[number - 1] for number in order))
