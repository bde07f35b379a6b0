"""The parts of a batch of rows, for processes that write a segment and hold no index."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from instructsam.engine.ledger.lines import format_part, parse_part
from instructsam.engine.ledger.segments import SegmentWriter
from instructsam.engine.tasks import Part


class BatchStore:
    """A `PartStore` that knows the parts of its rows alone, and appends to a segment.

    Args:
        known: lines of the parts that the ledger holds of these rows.
        writer: of the segment.
    """

    def __init__(self, known: Iterable[bytes], writer: SegmentWriter) -> None:
        self._parts = {part.key: part for part in (parse_part(line, "a known part") for line in known)}
        self._writer, self._mutex = writer, threading.Lock()

    def get(self, key: str) -> Part | None:
        """The part of this key; None where its task has not been performed."""
        return self._parts.get(key)

    def append(self, part: Part) -> None:
        """Keep a part; one whose key is there already is dropped."""
        line = format_part(part)
        with self._mutex:
            if part.key not in self._parts:
                self._writer.append(line)
                self._writer.flush()
                self._parts[part.key] = parse_part(line, "a new part")
