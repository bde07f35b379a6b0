"""A service without a model: made predictions, at once or after a delay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np

from instructsam.inference.jobs import ImageJob
from instructsam.serving.errors import BusyError, TimeLimitError, UnknownModelError
from instructsam.serving.service import ServedModel
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction


def made_prediction(job: ImageJob, instruction: str, phrases: Sequence[str] | None = None) -> Prediction:
    """One instance per phrase: upright bars side by side, each with a hole of one pixel; scores 0.9, 0.8, ...

    Without given phrases the instruction is the phrase. The instruction "nothing" has no target.
    """
    image = job.image.image
    names = tuple(phrases or (instruction,))
    if instruction == "nothing":
        none = Instances.empty(image.height, image.width)
        return Prediction(none, names, "", "no_target", instruction, none.size, image, mode="direct")
    masks = np.zeros((len(names), image.height, image.width), dtype=np.bool_)
    boxes = np.zeros((len(names), 4), dtype=np.float32)
    step = max(image.width // (len(names) + 1), 1)
    for number in range(len(names)):
        left = min(number * step, image.width - 1)
        masks[number, :, left : left + step] = True
        boxes[number] = [left, 0, min(left + step, image.width), image.height]
        if step > 2 and image.height > 2:
            masks[number, 1, left + 1] = False
    scores = np.clip(0.9 - 0.1 * np.arange(len(names)), 0.1, 1).astype(np.float32)
    instances = Instances(masks, boxes, scores, np.arange(len(names), dtype=np.int64))
    mode = "direct" if phrases is None else "phrases"
    return Prediction(
        instances, names, "", "ok", instruction, instances.size, image, job.image.notes, mode, num_queries=10
    )


class FakeService:
    """Answers with made predictions.

    Attributes:
        ready: as a service reports it; set it as a test needs it.
        jobs: all jobs received, with the names of their models.
        cancelled: number of jobs that were cancelled.
        started, stopped: whether the lifespan called them.
    """

    def __init__(
        self,
        predictions: list[Prediction] | Callable[[ImageJob], list[Prediction]] | None = None,
        delay: float = 0.0,
        error: Exception | None = None,
        ready: bool = True,
        models: Sequence[str] = ("default",),
    ) -> None:
        """A service.

        Args:
            predictions: the answer to every job, or a function of the job; None: `made_prediction` of every text.
            delay: seconds until an answer.
            error: raised in place of an answer.
            ready: whether the models are loaded.
            models: names; the first is the default.
        """
        self.predictions, self.delay, self.error, self.ready = predictions, delay, error, ready
        self.names = tuple(models)
        self.jobs: list[tuple[ImageJob, str]] = []
        self.cancelled = 0
        self.started = self.stopped = False

    def models(self) -> tuple[ServedModel, ...]:
        if not self.ready:
            return tuple(ServedModel(name) for name in self.names)
        return tuple(ServedModel(name, "0123456789ab", "direct", 0.3, 10) for name in self.names)

    async def segment(
        self, job: ImageJob, model: str | None = None, seconds: float | None = None
    ) -> list[Prediction]:
        name = self.names[0] if model is None else model
        if name not in self.names:
            raise UnknownModelError(f"model must be one of {', '.join(self.names)}, got {name!r:.80}")
        if not self.ready:
            raise BusyError(f"the model {name} is loading", retry_after=5)
        self.jobs.append((job, name))
        try:
            await asyncio.wait_for(asyncio.sleep(self.delay), seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        except asyncio.TimeoutError as error:
            raise TimeLimitError("the answer did not arrive within the time limit") from error
        if self.error is not None:
            raise self.error
        if callable(self.predictions):
            return self.predictions(job)
        if self.predictions is not None:
            return self.predictions
        if job.phrases is not None:
            text = job.instructions[0] if job.instructions else ", ".join(job.phrases)
            return [made_prediction(job, text, job.phrases)]
        return [made_prediction(job, text) for text in job.instructions]

    async def start(self) -> None:
        self.started = True

    async def stop(self, seconds: float = 30.0) -> None:
        self.stopped = True
