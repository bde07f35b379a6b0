"""A service in this process: one thread per server computes one job at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from instructsam.serving.errors import BusyError, TimeLimitError, UnknownModelError
from instructsam.serving.service import ServedModel

if TYPE_CHECKING:
    from instructsam.inference.jobs import ImageJob
    from instructsam.inference.segmenter import Segmenter
    from instructsam.structures.predictions import Prediction


class LocalService:
    """Models of this process, by name; each is opened by a function, in the background."""

    def __init__(self, openers: Mapping[str, Callable[[], Segmenter]], seconds: float = 90.0) -> None:
        self._openers = dict(openers)
        self._seconds = seconds
        self._segmenters: dict[str, Segmenter] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._opening: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return len(self._segmenters) == len(self._openers)

    def models(self) -> tuple[ServedModel, ...]:
        return tuple(self._describe(name) for name in self._openers)

    def _describe(self, name: str) -> ServedModel:
        segmenter = self._segmenters.get(name)
        if segmenter is None:
            return ServedModel(name)
        queries = int(segmenter.model.config.num_queries)
        return ServedModel(
            name, segmenter.fingerprint, segmenter.default_mode, segmenter.score_threshold, queries
        )

    async def segment(
        self, job: ImageJob, model: str | None = None, seconds: float | None = None
    ) -> list[Prediction]:
        name = next(iter(self._openers)) if model is None else model
        if name not in self._openers:
            raise UnknownModelError(f"model must be one of {', '.join(self._openers)}, got {name!r:.80}")
        if name not in self._segmenters:
            raise BusyError(f"the model {name} is loading", retry_after=5)
        run = asyncio.get_running_loop().run_in_executor(self._thread, self._run, name, job)
        try:
            return await asyncio.wait_for(run, self._seconds if seconds is None else seconds)
        except asyncio.TimeoutError as error:
            raise TimeLimitError("the answer did not arrive within the time limit") from error

    def _run(self, name: str, job: ImageJob) -> list[Prediction]:
        segmenter = self._segmenters[name]
        image, mode, threshold = job.image.image, job.mode, job.score_threshold
        if job.phrases is not None:
            text = job.instructions[0] if job.instructions else None
            return [segmenter.segment(image, text, phrases=list(job.phrases), score_threshold=threshold)]
        return segmenter.segment(image, list(job.instructions), mode=mode, score_threshold=threshold)

    async def start(self) -> None:
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        for name, opener in self._openers.items():
            self._segmenters[name] = await loop.run_in_executor(self._thread, opener)

    async def stop(self, seconds: float = 30.0) -> None:
        if self._opening is not None:
            self._opening.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)
        for segmenter in self._segmenters.values():
            segmenter.unload()
