"""The stage "revise": a candidate that failed a check, and why -> other words or numbers, or none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from instructsam.engine.candidates import candidate_to_dict
from instructsam.engine.digests import digest
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.stages.base import BrokenReplyError, Pictures, Question
from instructsam.engine.stages.kinds import kind_definitions
from instructsam.engine.stages.objects import object_list
from instructsam.engine.stages.prompts import PromptBook
from instructsam.engine.stages.proposals import PHRASES, parse_instruction
from instructsam.engine.stages.quoting import Data
from instructsam.engine.stages.replies import FLAG, TEXT, VERSION, object_schema, parse_reply
from instructsam.engine.stages.verifier import candidate_of
from instructsam.engine.tasks import Task
from instructsam.structures.checks import shorten

_TOKENS = 500


class ReviseStage:
    """Asks for a revision of `task.subject["candidate"]` (`stages.base.VLMStage`).

    The subject also has `reason`, the text of the last failure, and `history`, a list of
    `{"instruction": ..., "numbers": [...], "reason": ...}` of earlier rounds.
    """

    name = "revise"

    def __init__(self, settings: ProposeSettings, book: PromptBook, model: str) -> None:
        """
        Args:
            model: name of the served model, for the fingerprint.

        Raises:
            ConfigError: a prompt file is broken.
        """
        self.settings = settings
        slots = ("definition", "objects", "candidate", "reason", "history", "language")
        self.prompt = book.prompt("revise", slots)
        self.definitions = kind_definitions(book)
        used = settings.model_dump(mode="json", include={"language", "max_side", "temperature"})
        self.fingerprint = digest([self.name, VERSION, model, self.prompt.digest, self.definitions, used])

    def question(self, task: Task, pictures: Pictures) -> Question:
        """The marked picture, the candidate, the reason and the earlier rounds."""
        candidate = candidate_of(task)
        values: dict[str, Data] = {
            "definition": self.definitions[candidate.kind],
            "objects": object_list(task.row),
            "candidate": {
                "kind": candidate.kind,
                "instruction": candidate.instruction,
                "phrases": [
                    {"text": phrase.text, "numbers": list(phrase.numbers)} for phrase in candidate.phrases
                ],
            },
            "reason": str(task.subject["reason"]),
            "history": list(task.subject["history"]),
            "language": self.settings.language,
        }
        return Question(
            self.prompt.turns(values, [pictures.marked(task.row)]),
            object_schema(give_up=FLAG, instruction=TEXT, phrases=PHRASES),
            "revision",
            max_tokens=_TOKENS,
            temperature=self.settings.temperature,
            seed=task.seed,
        )

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """`candidate`: the revised one, or None to give up.

        Raises:
            BrokenReplyError: the reply holds no usable revision.
        """
        answer = parse_reply(reply, "give_up")
        if answer["give_up"] is True:
            return {"candidate": None}
        if answer["give_up"] is not False:
            raise BrokenReplyError(f'"give_up" must be true or false, got {shorten(answer["give_up"])}')
        past = candidate_of(task)
        instruction, phrases = parse_instruction(answer, past.kind, len(task.row.instances))
        revised = replace(past, instruction=instruction, phrases=phrases, round=past.round + 1)
        return {"candidate": candidate_to_dict(revised)}
