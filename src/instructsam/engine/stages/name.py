"""The stage "name": a picture without annotations -> noun phrases of its things, for a detector."""

from __future__ import annotations

from typing import Any

from instructsam.engine.digests import digest
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.stages.base import BrokenReplyError, Pictures, Question
from instructsam.engine.stages.prompts import PromptBook
from instructsam.engine.stages.replies import (
    TEXT,
    VERSION,
    check_reply_text,
    list_schema,
    object_schema,
    parse_reply,
)
from instructsam.engine.tasks import Task
from instructsam.structures.checks import shorten

_TOKENS = 16  # of a noun phrase in the reply
_SPARE_TOKENS = 100
_LONGEST = 60  # characters of a noun phrase


class NameStage:
    """Asks for the things that a detector shall look for (`stages.base.VLMStage`)."""

    name = "name"

    def __init__(self, settings: ProposeSettings, book: PromptBook, model: str) -> None:
        """
        Args:
            model: name of the served model, for the fingerprint.

        Raises:
            ConfigError: a prompt file is broken.
        """
        self.most = settings.max_concepts
        self.prompt = book.prompt("name", ("count",))
        self.fingerprint = digest(
            [self.name, VERSION, model, self.prompt.digest, self.most, settings.max_side]
        )

    def question(self, task: Task, pictures: Pictures) -> Question:
        """The clean picture."""
        return Question(
            self.prompt.turns({"count": self.most}, [pictures.clean(task.row)]),
            object_schema(concepts=list_schema(TEXT)),
            "concepts",
            max_tokens=_TOKENS * self.most + _SPARE_TOKENS,
            seed=task.seed,
        )

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """`concepts`: noun phrases, each once, empty for a picture without things; `dropped`: number of the others.

        Raises:
            BrokenReplyError: there is no list, or nothing in it is a noun phrase.
        """
        items = parse_reply(reply, "concepts")["concepts"]
        if not isinstance(items, list):
            raise BrokenReplyError(f'"concepts" must be a list of noun phrases, got {shorten(items)}')
        concepts: dict[str, str] = {}
        fault: BrokenReplyError | None = None
        for place, item in enumerate(items):
            try:
                phrase = check_reply_text(item, f"concepts[{place}]", _LONGEST)
            except BrokenReplyError as error:
                fault = error
            else:
                concepts.setdefault(phrase.casefold(), phrase)
        if fault is not None and not concepts:
            raise fault
        kept = list(concepts.values())[: self.most]
        return {"concepts": kept, "dropped": len(items) - len(kept)}
