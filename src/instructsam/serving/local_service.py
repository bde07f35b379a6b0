"""A service whose models run in a thread of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from instructsam.serving.batching import BatchingService, QueueSettings
from instructsam.serving.workers import ThreadWorker

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter

CACHE_BYTES = 256 * 2**20


class LocalService(BatchingService):
    """Models in a thread of this process, by name; each is opened by a function, in the background.

    Args:
        openers: of each model, by name; the first is the default.
        seconds: time limit of a job that has none of its own.
        cache_bytes: of cached image features.
        settings: of the queue; default: those of `QueueSettings` with `seconds`.
    """

    def __init__(
        self,
        openers: Mapping[str, Callable[[], Segmenter]],
        seconds: float = 90.0,
        cache_bytes: int = CACHE_BYTES,
        settings: QueueSettings | None = None,
    ) -> None:
        worker = ThreadWorker(openers, cache_bytes)
        super().__init__(tuple(openers), (worker,), settings or QueueSettings(seconds=seconds))
