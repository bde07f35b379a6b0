"""The models of one device: opened by name, they compute batches of jobs. Knows no queue and no event loop."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from PIL import Image

from instructsam.images.loader import LoadedImage
from instructsam.inference.feature_cache import FeatureCache
from instructsam.inference.jobs import ImageJob
from instructsam.inference.loading import load
from instructsam.inference.threads import use_threads
from instructsam.serving.errors import OutOfMemoryError
from instructsam.serving.service import ServedModel
from instructsam.serving.statistics import WorkerStatistics

if TYPE_CHECKING:
    from instructsam.inference.jobs import JobResult
    from instructsam.inference.segmenter import Segmenter

GROW_AFTER = 32  # full batches without an error, until a reduced batch size is doubled
WARM_UP = ImageJob(LoadedImage(Image.new("RGB", (64, 64), "grey")), ("a thing",))
_ALLOCATOR = ("can't allocate memory", "out of memory", "not enough memory")


@dataclass(frozen=True)
class ModelSource:
    """Opens a model in a process of the server; can be sent to a worker process.

    Attributes:
        name_or_path, device, dtype: as `instructsam.load` takes them; "default" is the shipped model.
        threads: of torch; None lets the size of the model decide.
    """

    name_or_path: str = "default"
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None

    def __call__(self) -> Segmenter:
        name = None if self.name_or_path == "default" else self.name_or_path
        segmenter = load(name, self.device, self.dtype)
        if segmenter.device.type == "cpu":
            use_threads(self.threads, segmenter.num_parameters)
        return segmenter


class BatchSize:
    """Instructions per forward pass: halved when memory runs out, and doubled again after a while."""

    def __init__(self, most: int) -> None:
        self._most = self.now = most
        self._full = 0

    def halve(self) -> bool:
        """Halve it; False where it is 1 already."""
        self._full = 0
        if self.now == 1:
            return False
        self.now //= 2
        return True

    def succeeded(self, instructions: int) -> None:
        """Count a batch that was computed."""
        self._full += instructions >= self.now
        if self._full >= GROW_AFTER and self.now < self._most:
            self.now, self._full = min(2 * self.now, self._most), 0


class ModelRunner:
    """Opens models and computes batches.

    Args:
        openers: of each model, by name.
        cache_bytes: of cached image features, for all models together; 0 for none.
        batch_size: instructions per forward pass.
    """

    def __init__(
        self, openers: Mapping[str, Callable[[], Segmenter]], cache_bytes: int, batch_size: int = 16
    ) -> None:
        self._openers = dict(openers)
        self._segmenters: dict[str, Segmenter] = {}
        self._cache = FeatureCache(cache_bytes)
        self._size = BatchSize(batch_size)
        self._out_of_memory = 0

    def open(self, name: str) -> ServedModel:
        """Open a model and compute a first answer, which takes longer than later ones."""
        segmenter = self._openers[name]()
        segmenter.segment_jobs([WARM_UP])
        self._segmenters[name] = segmenter
        queries = segmenter.model.config.variant("instance_form").most_instances(
            int(segmenter.model.config.num_queries)
        )
        facts = {
            "parameters": str(segmenter.num_parameters),
            "device": str(segmenter.device),
            "dtype": str(segmenter.model.dtype).removeprefix("torch."),
        }
        return ServedModel(
            name, segmenter.fingerprint, segmenter.default_mode, segmenter.score_threshold, queries, facts
        )

    def run(self, name: str, jobs: Sequence[ImageJob]) -> list[JobResult]:
        """The answers of `Segmenter.segment_jobs`; a smaller batch size is tried where memory runs out.

        Raises:
            OutOfMemoryError: memory is not sufficient for one instruction at a time.
            InstructSAMError: the model failed.
        """
        segmenter = self._segmenters[name]
        while True:
            try:
                found = segmenter.segment_jobs(jobs, batch_size=self._size.now, cache=self._cache)
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
            else:
                self._size.succeeded(sum(max(len(job.instructions), 1) for job in jobs))
                return found
            # Outside of the handler, whose exception keeps the tensors of its frames alive.
            self._free_memory()
            if not self._size.halve():
                raise OutOfMemoryError(
                    "the server has not enough memory for this request: send a smaller image, fewer instructions, or "
                    "a higher score_threshold"
                )

    def statistics(self, restarts: int = 0) -> WorkerStatistics:
        """Counts of the device."""
        cache = self._cache.statistics
        return WorkerStatistics(
            ready=len(self._segmenters) == len(self._openers),
            cache_hits=cache.hits,
            cache_misses=cache.misses,
            cache_evictions=cache.evictions,
            cache_images=cache.entries,
            cache_bytes=cache.nbytes,
            batch_size=self._size.now,
            out_of_memory=self._out_of_memory,
            restarts=restarts,
        )

    def close(self) -> None:
        """Free the models."""
        self._cache.clear()
        while self._segmenters:
            self._segmenters.popitem()[1].unload()

    def _free_memory(self) -> None:
        self._out_of_memory += 1
        self._cache.clear()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error).lower() for words in _ALLOCATOR)
