"""The micro-batcher, in virtual time, with a worker that computes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from instructsam.errors import CheckpointError, InputError, InstructSAMError
from instructsam.inference.jobs import ImageJob
from instructsam.serving.batching import BatchingService
from instructsam.serving.errors import BusyError, TimeLimitError, TooLargeError, UnknownModelError
from instructsam.serving.job_queue import BatchLimits
from instructsam.serving.service import ObservedService, ServedModel
from instructsam.serving.workers import WorkerLostError
from tests.serving.fake_worker import FakeWorker, job, outcomes, served, texts
from tests.serving.virtual_time import run


def test_requests_of_many_clients_share_a_batch() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        found = await outcomes(*(service.segment(job(f"mug {n}")) for n in range(11)))
        assert [texts(one) for one in found] == [[f"mug {n}"] for n in range(11)]

    service = served(test, worker)
    assert [len(batch) for batch in worker.batches] == [8, 3]
    assert isinstance(service, ObservedService)
    counts = service.statistics()
    assert counts.jobs["answered"] == 11
    assert (counts.queued, counts.running) == (0, 0)
    assert counts.batch_images.total == 11
    assert counts.seconds_computed.total == 2
    assert counts.seconds_queued.total == pytest.approx(3 * 1.0)  # a full batch does not wait


def test_a_batch_waits_for_others_but_not_longer_than_the_limit() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        async def later(seconds: float, text: str) -> list[Any]:
            await asyncio.sleep(seconds)
            return await service.segment(job(text))

        start = asyncio.get_running_loop().time()
        await outcomes(later(0, "a"), later(0.006, "b"), later(0.012, "c"))
        assert asyncio.get_running_loop().time() - start == pytest.approx(2.01)

    served(test, worker)
    assert worker.batches == [[("a",), ("b",)], [("c",)]]


def test_requests_about_one_image_join_its_batch() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        asked = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "1"), ("e", "2")]
        await outcomes(*(service.segment(job(text, key=key)) for text, key in asked))

    served(test, worker, batch=BatchLimits(images=2))
    assert worker.batches == [[("a",), ("b",), ("d",), ("e",)], [("c",)]]
    assert worker.images == [2, 1]  # the jobs about one image share one object


def test_a_job_with_many_instructions_leaves_room_for_others() -> None:
    worker = FakeWorker()
    many = [f"m{n}" for n in range(20)]

    async def test(service: BatchingService) -> None:
        found = await outcomes(
            service.segment(job(*many)), *(service.segment(job(f"s{n}")) for n in range(3))
        )
        assert texts(found[0]) == many

    served(test, worker, batch=BatchLimits(images=8, instructions=8))
    sizes = [[len(instructions) for instructions in batch] for batch in worker.batches]
    assert sizes == [[5, 1, 1, 1], [8], [7]]


def test_the_others_come_before_the_rest_of_a_large_job() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        large = asyncio.create_task(service.segment(job(*map(str, range(16)))))
        await asyncio.sleep(0.5)
        await outcomes(*(service.segment(job(f"s{n}")) for n in range(4)), large)

    served(test, worker, batch=BatchLimits(images=4, instructions=4))
    assert worker.batches[0] == [("0", "1", "2", "3")]
    assert worker.batches[1] == [("s0",), ("s1",), ("s2",), ("s3",)]
    assert [len(batch[0]) for batch in worker.batches[2:]] == [4, 4, 4]


def test_the_number_of_a_bad_instruction_counts_from_the_start_of_the_job() -> None:
    async def test(service: BatchingService) -> None:
        with pytest.raises(InputError, match=r"instructions\[9\] cannot"):
            await service.segment(job(*map(str, range(9)), "bad"))

    service = served(test, FakeWorker(), batch=BatchLimits(instructions=4))
    assert service.statistics().jobs["invalid"] == 1


def test_a_full_queue_refuses_with_the_seconds_that_it_needs() -> None:
    worker = FakeWorker(seconds=4.0)

    async def test(service: BatchingService) -> None:
        await service.segment(job("first"))  # one instruction in four seconds
        calls = [asyncio.create_task(service.segment(job(f"{n}"))) for n in range(5)]
        await asyncio.sleep(0.1)
        extra = [asyncio.create_task(service.segment(job(f"x{n}"))) for n in range(4)]
        found = await outcomes(*calls, *extra)
        refused = [one for one in found if isinstance(one, BusyError)]
        assert len(refused) == 2
        assert refused[0].retry_after == 20
        assert "5 requests wait" in str(refused[0])

    service = served(test, worker, queue=5, batch=BatchLimits(images=2))
    assert service.statistics().jobs["refused"] == 2


def test_an_expired_job_is_never_computed() -> None:
    worker = FakeWorker(seconds=3.0)

    async def test(service: BatchingService) -> None:
        running = asyncio.create_task(service.segment(job("running")))
        await asyncio.sleep(0.1)
        with pytest.raises(TimeLimitError, match="2 s"):
            await service.segment(job("late"), seconds=2.0)
        assert service.statistics().queued == 0
        await running
        await service.segment(job("after"))

    service = served(test, worker)
    assert worker.batches == [[("running",)], [("after",)]]
    assert service.statistics().jobs["expired"] == 1


def test_a_client_that_leaves_is_dropped_and_the_batch_goes_on() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        tasks = [asyncio.create_task(service.segment(job(text))) for text in "ab"]
        await asyncio.sleep(0.5)  # both run
        waiting = asyncio.create_task(service.segment(job("waits")))
        await asyncio.sleep(0)
        tasks[0].cancel()
        waiting.cancel()
        found = await outcomes(*tasks, waiting)
        assert isinstance(found[0], asyncio.CancelledError)
        assert texts(found[1]) == ["b"]

    service = served(test, worker)
    assert worker.batches == [[("a",), ("b",)]]
    assert service.statistics().jobs["cancelled"] == 2


def test_a_failing_job_harms_no_other_and_the_loop_goes_on() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        found = await outcomes(*(service.segment(job(text)) for text in ("a", "poison", "bad", "b")))
        assert texts(found[0]) == ["a"]
        assert isinstance(found[1], RuntimeError)
        assert isinstance(found[2], InputError)
        assert texts(found[3]) == ["b"]
        assert texts(await service.segment(job("again"))) == ["again"]

    service = served(test, worker)
    assert service.statistics().jobs == {"answered": 3, "failed": 1, "invalid": 1}


@pytest.mark.parametrize("answer", [[], [[]]])
def test_a_wrong_number_of_answers_fails_instead_of_waiting(answer: list[Any]) -> None:
    worker = FakeWorker()

    async def wrong(model: str, jobs: Sequence[ImageJob]) -> list[Any]:
        return answer

    worker.run = wrong  # type: ignore[method-assign]

    async def test(service: BatchingService) -> None:
        with pytest.raises(RuntimeError, match="answers to 1"):
            await service.segment(job("a"))

    served(test, worker)


def test_the_jobs_of_a_lost_worker_are_computed_again() -> None:
    worker = FakeWorker(errors=[None, WorkerLostError("gone")])

    async def test(service: BatchingService) -> None:
        await service.segment(job("first"))
        found = await outcomes(*(service.segment(job(text)) for text in "ab"))
        assert [texts(one) for one in found] == [["a"], ["b"]]

    served(test, worker)
    assert worker.batches == [[("first",)], [("a",), ("b",)], [("a",), ("b",)]]
    assert worker.opened == 2


def test_a_job_that_loses_two_workers_fails() -> None:
    worker = FakeWorker(errors=[WorkerLostError("gone"), WorkerLostError("gone")])

    async def test(service: BatchingService) -> None:
        with pytest.raises(BusyError, match="twice"):
            await service.segment(job("a"))
        assert texts(await service.segment(job("b"))) == ["b"]

    served(test, worker)


def test_another_worker_takes_the_jobs_of_a_lost_one() -> None:
    lost, other = FakeWorker(errors=[WorkerLostError("gone")], name="1"), FakeWorker(name="2")

    async def test(service: BatchingService) -> None:
        start = asyncio.get_running_loop().time()
        await outcomes(*(service.segment(job(text)) for text in "ab"))
        assert asyncio.get_running_loop().time() - start < 2.5  # without waiting for the start of a process

    served(test, lost, other, batch=BatchLimits(images=1))
    assert other.batches == [[("b",)], [("a",)]]


def test_a_worker_that_is_lost_while_idle_is_started_before_the_next_job() -> None:
    worker = FakeWorker(seconds=1.0)

    async def test(service: BatchingService) -> None:
        worker.is_lost = True
        await asyncio.sleep(4.0)
        assert worker.opened == 2
        assert texts(await service.segment(job("a"))) == ["a"]

    served(test, worker)
    assert worker.batches == [[("a",)]]


def test_idle_workers_share_the_jobs() -> None:
    fast, slow = FakeWorker(1.0, name="fast"), FakeWorker(3.0, name="slow")

    async def test(service: BatchingService) -> None:
        await outcomes(*(service.segment(job(str(n))) for n in range(4)))

    served(test, fast, slow, batch=BatchLimits(images=1))
    assert (len(fast.batches), len(slow.batches)) == (3, 1)


def test_models_do_not_share_batches() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        await outcomes(*(service.segment(job(text), model) for text, model in zip("abc", "xyx", strict=True)))
        with pytest.raises(UnknownModelError, match="x, y"):
            await service.segment(job("a"), "z")

    served(test, worker, names=("x", "y"))
    assert worker.batches == [[("a",), ("c",)], [("b",)]]


def test_it_is_ready_when_the_models_are_loaded() -> None:
    async def main() -> None:
        service = BatchingService(("default",), (FakeWorker(),))
        await service.start()
        assert not service.ready
        assert service.models() == (ServedModel("default"),)
        with pytest.raises(BusyError, match="loading"):
            await service.segment(job("a"))
        await asyncio.sleep(1)
        assert service.ready
        assert service.models()[0].fingerprint == "0123"
        await service.stop()
        assert not service.ready
        with pytest.raises(BusyError, match="stopping"):
            await service.segment(job("a"))

    run(main())


def test_a_model_that_cannot_be_loaded_is_reported() -> None:
    worker = FakeWorker()
    worker.cannot_open = CheckpointError("no such folder")

    async def test(service: BatchingService) -> None:
        assert not service.ready
        with pytest.raises(BusyError, match="could not be loaded"):
            await service.segment(job("a"))

    served(test, worker)


def test_stop_finishes_what_waits_and_runs() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        calls = [asyncio.create_task(service.segment(job(str(n)))) for n in range(2)]
        await asyncio.sleep(0)
        stopping = asyncio.create_task(service.stop(10))
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="stopping"):
            await service.segment(job("new"))
        assert [texts(one) for one in await outcomes(*calls)] == [["0"], ["1"]]
        await stopping

    served(test, worker, batch=BatchLimits(images=1))
    assert worker.closed is not None


def test_stop_gives_up_after_its_time() -> None:
    async def test(service: BatchingService) -> None:
        calls = [asyncio.create_task(service.segment(job(str(n)))) for n in range(2)]
        await asyncio.sleep(0)
        await service.stop(3)
        assert all(isinstance(one, BusyError) for one in await outcomes(*calls))

    served(test, FakeWorker(seconds=60), batch=BatchLimits(images=1))


def test_masks_limit_a_request_and_a_batch() -> None:
    worker = FakeWorker()

    async def test(service: BatchingService) -> None:
        with pytest.raises(TooLargeError, match="send a smaller image"):
            await service.segment(job(*"abcde", size=(10, 10)))
        await outcomes(*(service.segment(job(text, size=(10, 10))) for text in "abcde"))

    served(test, worker, batch=BatchLimits(mask_bytes=4000))
    assert [len(batch) for batch in worker.batches] == [4, 1]


def test_a_job_without_anything_to_segment_fails() -> None:
    async def test(service: BatchingService) -> None:
        with pytest.raises(InstructSAMError):
            await asyncio.wait_for(service.segment(job("bad")), 5)

    served(test, FakeWorker())
