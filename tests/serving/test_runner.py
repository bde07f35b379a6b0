"""The models of one device: what happens when memory runs out."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from instructsam.images.loader import LoadedImage
from instructsam.inference.feature_cache import FeatureCache
from instructsam.inference.jobs import ImageJob
from instructsam.inference.segmenter import Segmenter
from instructsam.serving import runner as runner_module
from instructsam.serving.errors import OutOfMemoryError
from instructsam.serving.runner import ModelRunner
from tests.serving.fakes import made_prediction
from tests.tiny import picture, same, tiny_pair

ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:115] DefaultCPUAllocator: can't allocate memory: you tried"),
    MemoryError(),
]


class SmallSegmenter:
    """Has memory for some instructions at a time."""

    device = torch.device("cpu")
    fingerprint, default_mode, score_threshold, num_parameters = "0123", "direct", 0.3, 7

    def __init__(self, room: int, error: Exception = ERRORS[0]) -> None:
        self.room, self.error = room, error
        self.sizes: list[int] = []
        form = SimpleNamespace(most_instances=lambda queries: queries)
        config = SimpleNamespace(variant=lambda name: form, num_queries=10)
        self.model = SimpleNamespace(config=config, dtype=torch.float32)
        self.unloaded = False

    def segment_jobs(
        self, jobs: Sequence[ImageJob], batch_size: int = 16, cache: FeatureCache | None = None
    ) -> list[Any]:
        self.sizes.append(batch_size)
        if min(batch_size, sum(len(job.instructions) for job in jobs)) > self.room:
            raise self.error
        return [[made_prediction(job, text) for text in job.instructions] for job in jobs]

    def unload(self) -> None:
        self.unloaded = True


def jobs(count: int) -> list[ImageJob]:
    return [ImageJob(LoadedImage(Image.new("RGB", (8, 8))), (f"mug {n}",)) for n in range(count)]


def opened(segmenter: Any, cache_bytes: int = 10**6) -> ModelRunner:
    runner = ModelRunner({"m": lambda: segmenter}, cache_bytes)
    runner.open("m")
    return runner


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_smaller_batches_where_memory_runs_out(error: Exception) -> None:
    segmenter = SmallSegmenter(5, error)
    runner = opened(segmenter)
    assert len(runner.run("m", jobs(12))) == 12
    assert segmenter.sizes[1:] == [16, 8, 4]
    runner.run("m", jobs(12))
    assert segmenter.sizes[4:] == [4]  # the size is remembered
    counts = runner.statistics()
    assert (counts.out_of_memory, counts.batch_size) == (2, 4)


def test_the_batch_size_grows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "GROW_AFTER", 3)
    segmenter = SmallSegmenter(5)
    runner = opened(segmenter)
    runner.run("m", jobs(12))
    segmenter.room = 100
    for _ in range(4):
        runner.run("m", jobs(1))  # too small to tell
    assert runner.statistics().batch_size == 4
    for _ in range(6):
        runner.run("m", jobs(16))
    assert runner.statistics().batch_size == 16
    for _ in range(9):
        runner.run("m", jobs(16))
    assert runner.statistics().batch_size == 16


def test_one_instruction_that_needs_too_much_is_an_error() -> None:
    segmenter = SmallSegmenter(1)
    runner = opened(segmenter)
    segmenter.room = 0
    with pytest.raises(OutOfMemoryError, match="send a smaller image"):
        runner.run("m", jobs(1))
    assert OutOfMemoryError.status == 413
    assert runner.statistics().batch_size == 1


def test_other_errors_are_not_mistaken_for_it() -> None:
    runner = opened(SmallSegmenter(1, RuntimeError("shapes do not fit")))
    with pytest.raises(RuntimeError, match="shapes"):
        runner.run("m", jobs(2))


def test_the_cache_is_emptied_where_memory_runs_out() -> None:
    segmenter = Segmenter(*tiny_pair())
    runner = opened(segmenter, 2**24)
    job = ImageJob(LoadedImage(picture()), ("kite",), key="0", score_threshold=0.0)
    (found,) = runner.run("m", [job])
    same(found[0], segmenter.segment(picture(), "kite", score_threshold=0.0))
    assert runner.statistics().cache_images == 1
    segmenter.segment_jobs = SmallSegmenter(1).segment_jobs  # type: ignore[method-assign,assignment]
    runner.run("m", jobs(2))
    assert (runner.statistics().cache_images, runner.statistics().cache_bytes) == (0, 0)


def test_opening_describes_the_model() -> None:
    runner = ModelRunner({"tiny": lambda: Segmenter(*tiny_pair())}, 0)
    assert not runner.statistics().ready
    model = runner.open("tiny")
    assert (model.name, model.num_queries, len(model.fingerprint)) == ("tiny", 4, 12)
    assert model.facts is not None
    assert model.facts["dtype"] == "float32"
    assert runner.statistics().ready
    runner.close()
    assert not runner.statistics().ready
