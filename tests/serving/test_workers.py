"""Workers in threads and processes, with a tiny model."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from instructsam.errors import CheckpointError, InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.inference.jobs import ImageJob
from instructsam.inference.segmenter import Segmenter
from instructsam.serving.batching import BatchingService, QueueSettings
from instructsam.serving.errors import BusyError, OutOfMemoryError
from instructsam.serving.services import make_service, worker_names
from instructsam.serving.settings import ServeSettings
from instructsam.serving.wire import PackedPrediction, WireError
from instructsam.serving.workers import ProcessWorker, ThreadWorker, WorkerLostError
from instructsam.structures.predictions import Prediction
from tests.serving.openers import OpenFragile, missing, tiny
from tests.tiny import picture, same, tiny_pair

SECONDS = 120.0  # a process imports torch


def job(seed: int, *instructions: str, **options: Any) -> ImageJob:
    image = load_image(picture(seed, 80 + 16 * seed))
    return ImageJob(image, instructions, key=str(seed), **{"score_threshold": 0.0, **options})


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(*tiny_pair())


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fragile") / "file"


@pytest.fixture(scope="module")
def worker(file: Path) -> ProcessWorker:
    """One process: starting it takes seconds, so the tests share it."""
    return ProcessWorker({"m": OpenFragile(file)}, 10**7, "cpu")


@pytest.fixture(scope="module")
def service(loop: asyncio.AbstractEventLoop, worker: ProcessWorker) -> Iterator[BatchingService]:
    service = BatchingService(("m",), (worker,), QueueSettings(seconds=SECONDS))
    loop.run_until_complete(service.start())
    loop.run_until_complete(until(lambda: service.ready))
    yield service
    loop.run_until_complete(service.stop(SECONDS))
    assert worker.process_id is None


async def until(done: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not done():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(poll(), SECONDS)


async def gather(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


def check(segmenter: Segmenter, asked: ImageJob, found: list[Prediction]) -> None:
    image = asked.image.image
    if asked.phrases is not None:
        expected = [segmenter.segment(image, phrases=asked.phrases, score_threshold=0.0)]
    else:
        expected = segmenter.segment(image, asked.instructions, score_threshold=0.0)
    for one, other in zip(expected, found, strict=True):
        same(one, other)
        assert (one.instruction, one.notes, one.mode, one.original_size) == (
            other.instruction, other.notes, other.mode, other.original_size,
        )  # fmt: skip
        assert other.image is not None
        assert other.image.tobytes() == image.tobytes()


JOBS = [job(0, "red mug", "kite"), job(1, "plate"), job(0, phrases=("mug", "kite")), job(2, "x")]


def test_processes_answer_as_the_segmenter_does(
    loop: asyncio.AbstractEventLoop, service: BatchingService, segmenter: Segmenter
) -> None:
    found = loop.run_until_complete(gather(*(service.segment(asked) for asked in JOBS)))
    for asked, answer in zip(JOBS, found, strict=True):
        check(segmenter, asked, answer)


def test_a_thread_answers_as_the_segmenter_does(
    loop: asyncio.AbstractEventLoop, segmenter: Segmenter
) -> None:
    async def main() -> list[Any]:
        service = BatchingService(
            ("tiny",), (ThreadWorker({"tiny": tiny}, 256 * 2**20),), QueueSettings(seconds=90.0)
        )
        await service.start()
        await until(lambda: service.ready)
        found = await gather(*(service.segment(asked) for asked in JOBS))
        counts = service.statistics().workers["model"]
        assert (counts.cache_misses, counts.cache_images) == (3, 3)
        await service.stop()
        return found

    for asked, answer in zip(JOBS, loop.run_until_complete(main()), strict=True):
        check(segmenter, asked, answer)


def test_errors_keep_their_kind(loop: asyncio.AbstractEventLoop, service: BatchingService) -> None:
    calls = [service.segment(job(0, text)) for text in ("", "kite " * 1000, "fail", "kite")]
    empty, long, failed, fine = loop.run_until_complete(gather(*calls))
    assert isinstance(empty, InputError)
    assert "is empty" in str(empty)
    assert isinstance(long, InputError)
    assert "tokens" in str(long)
    assert isinstance(failed, RuntimeError)
    assert "shapes do not fit" in str(failed)
    assert fine[0].instruction == "kite"


def test_a_killed_process_loses_no_job(
    loop: asyncio.AbstractEventLoop,
    service: BatchingService,
    worker: ProcessWorker,
    file: Path,
    segmenter: Segmenter,
) -> None:
    file.touch()
    asked = [job(0, "die once"), *JOBS]
    found = loop.run_until_complete(gather(*(service.segment(one) for one in asked)))
    assert not file.exists()
    for one, answer in zip(asked, found, strict=True):
        check(segmenter, one, answer)
    assert worker.statistics().restarts == 1


@pytest.mark.slow
def test_a_job_that_kills_every_process_fails(
    loop: asyncio.AbstractEventLoop, service: BatchingService
) -> None:
    found = loop.run_until_complete(gather(service.segment(job(0, "die"))))
    assert isinstance(found[0], BusyError)
    answer = loop.run_until_complete(gather(service.segment(job(0, "kite"))))
    assert answer[0][0].instruction == "kite"


@pytest.mark.slow
def test_two_processes_share_the_jobs_and_are_started_again(
    loop: asyncio.AbstractEventLoop, file: Path
) -> None:
    async def main() -> None:
        workers = [ProcessWorker({"m": OpenFragile(file)}, 10**7, f"cpu #{number}") for number in (1, 2)]
        service = BatchingService(("m",), workers, QueueSettings(seconds=SECONDS))
        await service.start()
        await until(lambda: all(worker.statistics().ready for worker in workers))
        texts = [f"mug {number}" for number in range(16)]
        await gather(*(service.segment(job(seed, *texts)) for seed in range(6)))
        assert all(worker.statistics().cache_misses for worker in workers)
        killed = {worker.process_id for worker in workers}
        for process in killed:
            assert process is not None
            os.kill(process, signal.SIGKILL)
        await until(lambda: not killed & {child.pid for child in multiprocessing.active_children()})
        answer = await service.segment(job(0, "kite"))
        assert answer[0].instruction == "kite"
        await service.stop(SECONDS)

    loop.run_until_complete(main())


def test_a_model_that_cannot_be_opened(loop: asyncio.AbstractEventLoop) -> None:
    async def main() -> None:
        worker = ThreadWorker({"m": missing}, 0)
        with pytest.raises(CheckpointError, match="no such folder"):
            await worker.open("m")
        await worker.close(SECONDS)
        with pytest.raises(WorkerLostError, match="does not run"):
            await ProcessWorker({"m": missing}, 0, "cpu").run("m", [])

    loop.run_until_complete(main())


def test_a_packed_answer_is_the_answer(segmenter: Segmenter) -> None:
    noted = ImageJob(LoadedImage(picture(), ("rotated",)), ("kite", "no such thing"), score_threshold=0.5)
    (found,) = segmenter.segment_jobs([noted])
    assert isinstance(found, list)
    for prediction in found:
        packed = PackedPrediction.of(prediction)
        assert packed.rest.image is None
        again = packed.unpack(noted.image.image)
        assert np.array_equal(again.instances.masks, prediction.instances.masks)
        assert np.array_equal(again.instances.boxes_xyxy, prediction.instances.boxes_xyxy)
        assert again.to_dict() == prediction.to_dict()
    assert isinstance(WireError.of(OutOfMemoryError("x")).error(), OutOfMemoryError)
    assert type(WireError.of(InputError("x")).error()) is InputError


def test_settings_make_a_service() -> None:
    one = make_service(ServeSettings(devices=("cpu",), max_batch=4, max_wait_ms=5, queue=7))
    assert isinstance(one.workers[0], ThreadWorker)
    assert (one.settings.max_wait, one.settings.queue, one.settings.batch.images) == (0.005, 7, 4)
    two = make_service(ServeSettings(devices=("cpu", "cpu")))
    assert [worker.name for worker in two.workers] == ["cpu #1", "cpu #2"]
    assert all(isinstance(worker, ProcessWorker) for worker in two.workers)
    assert worker_names(("cuda:0", "cuda:1")) == ("cuda:0", "cuda:1")
