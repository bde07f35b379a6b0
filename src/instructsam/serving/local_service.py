"""Services of this machine: the models of each device behind one queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from instructsam.serving.batching import BatchingService, QueueSettings
from instructsam.serving.job_queue import BatchLimits
from instructsam.serving.runner import ModelSource
from instructsam.serving.workers import ProcessWorker, ThreadWorker, Worker

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter
    from instructsam.serving.settings import ServeSettings

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


def make_service(settings: ServeSettings) -> BatchingService:
    """The service of `instructsam serve`: one device in a thread of this process, several in a process each.

    With several devices, `cache_bytes` is the limit of each.
    """
    named = worker_names(settings.devices)
    threads = 1 if settings.devices.count("cpu") > 1 else None
    workers: list[Worker] = []
    for name, device in zip(named, settings.devices, strict=True):
        openers = {
            model: ModelSource(source, device, settings.dtype, threads)
            for model, source in settings.models.items()
        }
        kind = ThreadWorker if len(settings.devices) == 1 else ProcessWorker
        workers.append(kind(openers, settings.cache_bytes, name))
    queue = QueueSettings(
        max_wait=settings.max_wait_ms / 1000,
        queue=settings.queue,
        seconds=settings.limits.max_seconds,
        batch=BatchLimits(images=settings.max_batch, instructions=max(2 * settings.max_batch, 16)),
    )
    return BatchingService(tuple(settings.models), tuple(workers), queue)


def worker_names(devices: tuple[str, ...]) -> tuple[str, ...]:
    """The device of each worker, with a number where several share it: "cpu", or "cpu #1", "cpu #2"."""
    seen: Counter[str] = Counter()
    names = []
    for device in devices:
        seen[device] += 1
        names.append(f"{device} #{seen[device]}" if devices.count(device) > 1 else device)
    return tuple(names)
