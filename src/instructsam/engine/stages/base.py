"""The protocols of stages, and of the objects that answer their questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from instructsam.engine.rows import ImageRow
from instructsam.engine.tasks import NO_USAGE, Task, Usage
from instructsam.errors import InputError
from instructsam.vlms.protocol import Turn


class BrokenReplyError(InputError):
    """A reply that cannot be used; its message is sent back to the model, which then answers again."""


class Pictures(Protocol):
    """Pictures of rows, RGB and upright."""

    def full(self, row: ImageRow) -> Image.Image:
        """The image at the size that the row states, for models in this process; the same object for a while."""
        ...

    def clean(self, row: ImageRow) -> Image.Image:
        """The image itself, at the size for served models."""
        ...

    def marked(self, row: ImageRow) -> Image.Image:
        """The image with the numbered outlines of the row's objects (set-of-marks, arXiv 2310.11441)."""
        ...


@dataclass(frozen=True)
class Question:
    """A request to a vision-language model.

    Attributes:
        turns: the conversation; instructions and names in it are quoted data.
        schema: JSON schema of the reply.
        schema_name: letters and underscores.
        max_tokens: of the reply.
        temperature: 0 for the most probable reply.
        seed: for servers that take one.
    """

    turns: Sequence[Turn]
    schema: Mapping[str, Any]
    schema_name: str
    max_tokens: int
    temperature: float = 0.0
    seed: int = 0


@runtime_checkable
class VLMStage(Protocol):
    """A stage that asks a vision-language model one question; both methods are pure."""

    @property
    def name(self) -> str:
        """The name of its tasks."""
        ...

    @property
    def fingerprint(self) -> str:
        """Differs between prompts, models and settings."""
        ...

    def question(self, task: Task, pictures: Pictures) -> Question:
        """The question about a task."""
        ...

    def data(self, task: Task, reply: str) -> dict[str, Any]:
        """The data of the part, from the model's reply.

        Raises:
            BrokenReplyError: the reply is no JSON, names numbers that do not exist, refuses, ...
        """
        ...


@runtime_checkable
class LocalStage(Protocol):
    """A stage that needs no server, such as detection by a model in this process."""

    @property
    def name(self) -> str:
        """The name of its tasks."""
        ...

    @property
    def fingerprint(self) -> str:
        """Differs between models and settings."""
        ...

    def run(self, task: Task, pictures: Pictures) -> dict[str, Any]:
        """The data of the part."""
        ...


Stage = VLMStage | LocalStage


@dataclass(frozen=True)
class Correction:
    """A broken reply and its fault, for the next try."""

    reply: str
    problem: str


@dataclass(frozen=True)
class Reply:
    """The text of a model and its cost; `cut` when it reached the limit of tokens, `refused` when it declined."""

    text: str
    usage: Usage = NO_USAGE
    cut: bool = False
    refused: bool = False


class Responder(Protocol):
    """Anything that answers questions: a server, or the simulated model of the audit."""

    @property
    def name(self) -> str:
        """In reports and provenance; no keys."""
        ...

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        """The reply to `stage.question(task, pictures)`, or to its repetition after a broken reply.

        Raises:
            ServiceError: there is no reply, after all retries.
        """
        ...
