"""Memory that was freed goes back to the operating system.

The allocator of glibc keeps what was freed between blocks in use: images and features of many sizes leave hundreds of
megabytes of such gaps.
"""

from __future__ import annotations

import ctypes
import sys
import time

TRIM_SECONDS = 10.0
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


class Heap:
    """The heap of this process."""

    def __init__(self) -> None:
        self._next = 0.0

    @property
    def is_due(self) -> bool:
        """Whether `TRIM_SECONDS` have passed; never where the C library cannot."""
        return _trim is not None and time.monotonic() >= self._next

    def give_back(self) -> None:
        """Return freed memory, if it is due. Takes milliseconds."""
        if _trim is not None and self.is_due:
            _trim(0)
            self._next = time.monotonic() + TRIM_SECONDS
