"""The protocol of ledgers, and one in memory."""

from __future__ import annotations

from typing import Protocol

from instructsam.engine.tasks import Part


class PartStore(Protocol):
    """Parts by key. A part that is there is never changed."""

    def get(self, key: str) -> Part | None:
        """The part of this key; None where its task has not been performed."""
        ...

    def append(self, part: Part) -> None:
        """Keep a part; one whose key is there already is dropped."""
        ...


class MemoryStore:
    """A ledger in memory, for tests and for the audit."""

    def __init__(self) -> None:
        self.parts: dict[str, Part] = {}

    def get(self, key: str) -> Part | None:
        """The part of this key, if it is there."""
        return self.parts.get(key)

    def append(self, part: Part) -> None:
        """Keep a part; one whose key is there already is dropped."""
        self.parts.setdefault(part.key, part)
