"""The service of a server's settings."""

from __future__ import annotations

from collections import Counter

from instructsam.serving.batching import BatchingService, QueueSettings
from instructsam.serving.job_queue import BatchLimits
from instructsam.serving.runner import ModelSource
from instructsam.serving.settings import ServeSettings
from instructsam.serving.workers import ProcessWorker, ThreadWorker, Worker


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
