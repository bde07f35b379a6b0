"""Tasks, their keys, and parts: the units of work of the data engine and of its ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from instructsam.engine.digests import digest
from instructsam.engine.rows import ImageRow


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, or the sum of several."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens)


NO_USAGE = Usage()


@dataclass(frozen=True)
class Task:
    """One stage about one row.

    Attributes:
        stage: name of the stage.
        row: with everything that the stage sees of the image.
        subject: JSON values that the stage is about, such as a candidate; {} for the row itself.
        number: tells repetitions apart: the number of a vote, from 0.
    """

    stage: str
    row: ImageRow
    subject: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0

    def key(self, fingerprint: str) -> str:
        """The key of the task's part in the ledger.

        Args:
            fingerprint: of the stage: it differs between prompts, models and settings.
        """
        return digest([self.stage, fingerprint, self.row.digest, self.subject, self.number])

    @property
    def seed(self) -> int:
        """For sampling: it differs between tasks and is the same in every run; 31 bits."""
        return int(self.key("")[:8], 16) & 0x7FFFFFFF


@dataclass(frozen=True)
class Part:
    """The result of a task. It holds no time and no number of tries: equal tasks have equal parts.

    Attributes:
        key: see `Task.key`.
        stage: name of the stage.
        row: id of the row.
        data: JSON values.
        usage: of the reply that was used; what failed tries cost is in the spending log alone.
    """

    key: str
    stage: str
    row: str
    data: Mapping[str, Any]
    usage: Usage = NO_USAGE

    @property
    def unusable(self) -> str:
        """The fault of the last reply, where no try gave a usable one (see `unusable_data`); else ""."""
        return str(self.data.get(_UNUSABLE, ""))


_UNUSABLE = "unusable"


def unusable_data(problem: str) -> dict[str, Any]:
    """The data of a part whose task got no usable reply in any try; the flow decides what follows from it."""
    return {_UNUSABLE: problem or "no usable reply"}
