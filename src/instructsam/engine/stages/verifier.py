"""The common parts of the stages that verify: their settings, and the fields that several replies share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from PIL import Image

from instructsam.engine.candidates import Candidate, parse_candidate
from instructsam.engine.digests import digest
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import BrokenReplyError, Question
from instructsam.engine.stages.prompts import Prompt, PromptBook
from instructsam.engine.stages.quoting import Data
from instructsam.engine.tasks import Task
from instructsam.structures.checks import shorten
from instructsam.structures.safe_text import one_line

MAX_NOTE = 200  # characters of a model's remark, which goes to the reviser and to people
_VERSION = 1  # of the questions and of the parsers of their replies


@dataclass(frozen=True)
class Verifier:
    """The base of a stage that asks the verifier.

    Attributes:
        prompt: with the slots of the stage.
        model: the name of the verifier on its server.
        max_side: of the pictures.
        max_tokens, temperature: of the reply.
    """

    name: ClassVar[str]
    slots: ClassVar[tuple[str, ...]]
    schema: ClassVar[Mapping[str, Any]]

    prompt: Prompt
    model: str
    max_side: int
    max_tokens: int
    temperature: float = 0.0

    @property
    def fingerprint(self) -> str:
        """Differs between prompts, models and settings; the address of the server does not count."""
        settings = [self.model, self.max_side, self.max_tokens, self.temperature]
        return digest([self.name, _VERSION, self.prompt.digest, self.schema, settings])

    def ask(self, task: Task, values: Mapping[str, Data], images: Sequence[Image.Image] = ()) -> Question:
        """The question with these values in the slots of the prompt."""
        turns = self.prompt.turns(values, images)
        return Question(turns, self.schema, self.name, self.max_tokens, self.temperature, task.seed)


def settings_of_stage(cls: type[Verifier], config: EngineConfig, prompts: PromptBook) -> dict[str, Any]:
    """The arguments of a stage of the verifier.

    Raises:
        ConfigError: its prompt file is broken.
    """
    return {
        "prompt": prompts.prompt(cls.name, cls.slots),
        "model": (config.verifier or config.vlm).model,
        "max_side": config.propose.max_side,
        "max_tokens": config.verify.max_tokens,
    }


def candidate_of(task: Task) -> Candidate:
    """The candidate that a task is about."""
    return parse_candidate(task.subject["candidate"])


def check_flag(value: Any, name: str) -> bool:
    """True or false in a reply, which a model may write as text.

    Raises:
        BrokenReplyError: it is neither.
    """
    plain = {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(plain, bool):
        raise BrokenReplyError(f"{name} must be true or false, got {shorten(value)}")
    return plain


def note_of(values: Mapping[str, Any], default: str) -> str:
    """The remark of a reply in one line of printable text."""
    note = values.get("note")
    return one_line(note, MAX_NOTE).strip() or default if isinstance(note, str) else default
