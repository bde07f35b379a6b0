"""The stage "propose": a picture with numbered objects -> instructions with the numbers that they mean."""

from __future__ import annotations

from typing import Any

from instructsam.engine.candidates import candidate_to_dict
from instructsam.engine.digests import digest
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.stages.base import Pictures, Question
from instructsam.engine.stages.kinds import kind_definitions, kinds_passage, wanted_kinds
from instructsam.engine.stages.objects import object_list
from instructsam.engine.stages.prompts import PromptBook
from instructsam.engine.stages.proposals import PHRASES, parse_proposals
from instructsam.engine.stages.quoting import Data
from instructsam.engine.stages.replies import (
    TEXT,
    VERSION,
    choice_schema,
    list_schema,
    object_schema,
    parse_items,
)
from instructsam.engine.tasks import Task

_TOKENS = 220  # of one instruction in the reply, in a language that takes many
_SPARE_TOKENS = 200


class ProposeStage:
    """Asks for `per_image` instructions of several kinds (`stages.base.VLMStage`)."""

    name = "propose"

    def __init__(self, settings: ProposeSettings, book: PromptBook, model: str) -> None:
        """
        Args:
            model: name of the served model, for the fingerprint.

        Raises:
            ConfigError: a prompt file is broken.
        """
        self.settings = settings
        self.prompt = book.prompt("propose", ("kinds", "objects", "wanted", "count", "language"))
        definitions = kind_definitions(book)
        self.kinds = kinds_passage(settings.kinds, definitions)
        used = settings.model_dump(
            mode="json", include={"kinds", "weights", "per_image", "language", "max_side", "temperature"}
        )
        self.fingerprint = digest([self.name, VERSION, model, self.prompt.digest, self.kinds, used])

    def question(self, task: Task, pictures: Pictures) -> Question:
        """The marked picture, its objects, and the wanted kinds."""
        wanted = wanted_kinds(task.row, self.settings)
        values: dict[str, Data] = {
            "kinds": self.kinds,
            "objects": object_list(task.row),
            "wanted": wanted,
            "count": sum(wanted.values()),
            "language": self.settings.language,
        }
        item = object_schema(kind=choice_schema(*wanted), instruction=TEXT, phrases=PHRASES)
        return Question(
            self.prompt.turns(values, [pictures.marked(task.row)]),
            object_schema(instructions=list_schema(item)),
            "instructions",
            max_tokens=_TOKENS * self.settings.per_image + _SPARE_TOKENS,
            temperature=self.settings.temperature,
            seed=task.seed,
        )

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """`candidates`: the usable ones; `dropped`: number of the others by fault.

        Raises:
            BrokenReplyError: there is no usable one.
        """
        items = parse_items(reply, "instructions", "instruction")
        found = parse_proposals(items, task.row, self.settings.kinds, self.settings.per_image)
        candidates = [candidate_to_dict(candidate) for candidate in found.candidates]
        return {"candidates": candidates, "dropped": dict(sorted(found.dropped.items()))}
