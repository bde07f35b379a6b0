"""The local runner: what is kept, repeated, skipped, counted and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from instructsam.engine.candidates import parse_outcome
from instructsam.engine.ledger.store import MemoryStore, PartStore
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.local import run_rows
from instructsam.engine.runners.progress import Progress, RunReport
from instructsam.engine.runners.stop import Stop
from instructsam.engine.stages.base import Correction, Pictures, Reply, Responder, VLMStage
from instructsam.engine.tasks import Part, Task
from instructsam.errors import ConfigError, ImageError, InputError, ServiceError
from tests.engine.runners.toy import ToyPictures, ToyResponder, make_config, make_rows, make_stages


def run(
    folder: Path,
    responder: Responder,
    rows: int | list[ImageRow] = 5,
    ledger: PartStore | None = None,
    vlm: Mapping[str, Any] | None = None,
    **options: Any,
) -> RunReport:
    stages = make_stages()
    wanted = make_rows(rows) if isinstance(rows, int) else rows
    responders = dict.fromkeys(stages, responder)
    config = make_config(folder, **(vlm or {}))
    store = MemoryStore() if ledger is None else ledger
    return asyncio.run(run_rows(wanted, config, stages, responders, ToyPictures(), store, **options))


class Failing(ToyResponder):
    """Fails where a condition holds."""

    def __init__(self, fails: Callable[[Task], bool], error: Exception) -> None:
        super().__init__()
        self.fails, self.error = fails, error

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        await asyncio.sleep(0)
        if self.fails(task):
            raise self.error
        return await super().reply(stage, task, pictures, correction)


def test_rows_are_decided_and_nothing_is_computed_twice(tmp_path: Path) -> None:
    ledger, responder, seen = MemoryStore(), ToyResponder(), list[Progress]()
    report = run(tmp_path, responder, ledger=ledger, total=5, progress=seen.append)
    assert (report.stopped, report.failures, report.progress.done) == ("", {}, 5)
    last = report.progress
    assert (last.accepted, last.rejected, last.review) == (10, 5, 0)
    assert [each.done for each in seen] == [1, 2, 3, 4, 5]
    assert seen[1].remaining_seconds is not None
    assert last.usage.input_tokens == 10 * len(responder.calls)
    outcomes = [parse_outcome(part.data) for part in ledger.parts.values() if part.stage == "outcome"]
    assert sorted(outcome.row for outcome in outcomes) == [row.id for row in make_rows(5)]
    again = ToyResponder()
    report = run(tmp_path, again, ledger=ledger)
    assert (again.calls, report.progress.resumed, report.progress.accepted) == ([], 5, 10)


def test_a_changed_threshold_repeats_no_question(tmp_path: Path) -> None:
    ledger = MemoryStore()
    run(tmp_path, ToyResponder(), ledger=ledger)
    config, stages, responder = make_config(tmp_path, rounds=0), make_stages(), ToyResponder()
    job = run_rows(make_rows(5), config, stages, dict.fromkeys(stages, responder), ToyPictures(), ledger)
    report = asyncio.run(job)
    assert (responder.calls, report.progress.review, report.progress.resumed) == ([], 5, 0)


def test_a_broken_reply_is_sent_back_with_its_fault(tmp_path: Path) -> None:
    responder = ToyResponder(broken=1)
    assert run(tmp_path, responder, 1).progress.done == 1
    assert [call[2] is None for call in responder.calls if call[0] == "propose"] == [True, False]
    correction = responder.calls[1][2]
    assert correction is not None
    assert correction.reply == "no json"
    assert "one JSON object" in correction.problem


def test_a_row_without_proposals_fails_and_is_tried_again(tmp_path: Path) -> None:
    ledger, responder = MemoryStore(), ToyResponder(broken=99)
    report = run(tmp_path, responder, 2, ledger)
    assert len(responder.calls) == 2 * 4
    assert (report.progress.failed, report.progress.done, ledger.parts) == (2, 0, {})
    assert "toy gave no usable reply in 4 tries: expected one JSON object" in next(iter(report.failures))
    assert run(tmp_path, ToyResponder(), 2, ledger).progress.done == 2


def test_a_candidate_without_usable_reply_goes_to_review(tmp_path: Path) -> None:
    class Odd(ToyResponder):
        async def reply(self, stage: VLMStage, task: Task, *rest: Any) -> Reply:
            reply = await super().reply(stage, task, *rest)
            return Reply(reply.text, cut=True) if task.stage == "words" else reply

    ledger = MemoryStore()
    report = run(tmp_path, Odd(), 1, ledger)
    assert (report.progress.done, report.progress.review) == (1, 3)
    (part, *_) = [part for part in ledger.parts.values() if part.stage == "words"]
    assert "limit of tokens" in part.unusable


@pytest.mark.parametrize("error", [ServiceError("down"), ImageError("images/7.jpg: damaged")])
def test_a_failing_row_stops_no_other(tmp_path: Path, error: Exception) -> None:
    ledger = MemoryStore()
    responder = Failing(lambda task: task.row.id == "image-3" and task.stage == "vote", error)
    report = run(tmp_path, responder, 30, ledger)
    assert (report.progress.done, report.progress.failed, report.stopped) == (29, 1, "")
    assert report.examples == (("image-3", f"vote: {error}"),)
    assert any(part.row == "image-3" and part.stage == "words" for part in ledger.parts.values())
    before = ToyResponder()
    assert run(tmp_path, before, 30, ledger).progress.done == 30
    assert {call[1] for call in before.calls} == {"image-3"}
    assert "propose" not in {call[0] for call in before.calls}


def test_a_server_that_is_gone_stops_the_run(tmp_path: Path) -> None:
    vlm = {"max_failures": 4, "concurrency": 1}
    report = run(tmp_path, Failing(lambda task: True, ServiceError("no server")), 1000, vlm=vlm)
    assert report.stopped.startswith(
        "no usable reply for 4 rows in succession, the last time because no server"
    )
    assert report.progress.failed < 20


def test_damaged_images_in_succession_do_not_stop_the_run(tmp_path: Path) -> None:
    damaged = Failing(lambda task: True, ImageError("damaged"))
    report = run(tmp_path, damaged, 40, vlm={"max_failures": 2})
    assert (report.progress.failed, report.stopped) == (40, "")


def test_a_bug_ends_the_run_with_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, Failing(lambda task: task.row.id == "image-3", ZeroDivisionError()), 200)


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    class Full(MemoryStore):
        def append(self, part: Part) -> None:
            if len(self.parts) == 7:
                raise InputError("the disk is full")
            super().append(part)

    with pytest.raises(InputError, match="the disk is full"):
        run(tmp_path, ToyResponder(), 100, Full())


def test_limit_counts_unfinished_rows(tmp_path: Path) -> None:
    ledger = MemoryStore()
    assert run(tmp_path, ToyResponder(), 9, ledger, limit=2).progress.done == 2
    assert run(tmp_path, ToyResponder(), 9, ledger, limit=3).progress.done == 5
    assert run(tmp_path, ToyResponder(), 9, ledger, limit=9).progress.done == 9


def test_time_limit(tmp_path: Path) -> None:
    class Slow(ToyResponder):
        async def reply(self, *args: Any) -> Reply:
            await asyncio.sleep(0.02)
            return await super().reply(*args)

    report = run(tmp_path, Slow(), 10**6 * [make_rows(1)[0]], max_minutes=0.1 / 60, vlm={"concurrency": 1})
    assert report.stopped == "the time limit of 0.00166667 minutes is reached: run again to resume"


def test_rows_are_read_as_they_are_needed(tmp_path: Path) -> None:
    read = 0

    def rows() -> Any:
        nonlocal read
        for row in make_rows(200):
            read += 1
            yield row

    stop = Stop()
    stages, config = make_stages(), make_config(tmp_path, concurrency=2)
    responder = Failing(lambda task: stop.request("enough") is None and False, ValueError())
    job = run_rows(
        rows(), config, stages, dict.fromkeys(stages, responder), ToyPictures(), MemoryStore(), stop=stop
    )
    assert asyncio.run(job).stopped == "enough"
    assert read == 2 + 4


def test_a_stage_without_responder_is_named(tmp_path: Path) -> None:
    job = run_rows(
        [], make_config(tmp_path), make_stages(), {"vote": ToyResponder()}, ToyPictures(), MemoryStore()
    )
    with pytest.raises(
        ConfigError, match="exhaustive, no_target, propose, revise, words need responders, got vote"
    ):
        asyncio.run(job)


class HalfCharacters(ToyResponder):
    """The first reply about each candidate's words escapes half a character."""

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        found = await super().reply(stage, task, pictures, correction)
        if task.stage != "words" or correction is not None:
            return found
        return Reply('{"problem": "", "note": "\\ud83d"}', found.usage)


def test_a_reply_that_no_ledger_can_hold_is_sent_back(tmp_path: Path) -> None:
    responder = HalfCharacters()
    report = run(tmp_path, responder, rows=1)
    assert (report.stopped, report.progress.done) == ("", 1)
    problems = {call[2].problem for call in responder.calls if call[2] is not None}
    assert len(problems) == 1
    assert "surrogates not allowed" in problems.pop()
