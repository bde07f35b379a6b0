"""Runs against a served model that fails in every way: nothing is lost, doubled or invented."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from instructsam.engine.ledger.store import MemoryStore
from instructsam.engine.runners.local import run_local
from instructsam.engine.runners.progress import RunReport
from instructsam.engine.runners.server import open_responder
from instructsam.engine.runners.spending import SPENDING_NAME, SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.errors import ServiceError
from tests.engine.runners.toy import ToyPictures, answer, make_config, make_rows, make_stages
from tests.faulty_server import BROKEN, TRANSPORT, faulty_server, images_of, text_of

KEY = "sk-proj-0123456789abcdefXYZ"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instructsam.engine.runners.server._FIRST_DELAY", 0.001)


def run(
    folder: Path, url: str, count: int, ledger: MemoryStore, notes: list[str] | None = None, **vlm: Any
) -> RunReport:
    config, stages, stop = make_config(folder, url, **vlm), make_stages(), Stop()
    folder.mkdir(exist_ok=True)
    with SpendingLog(folder) as spending:
        responder = open_responder(
            config.vlm, spending, stop, note=[].append if notes is None else notes.append
        )
        return run_local(
            make_rows(count),
            config,
            stages,
            dict.fromkeys(stages, responder),
            ToyPictures(),
            ledger,
            stop=stop,
            note=print,
            spending=spending,
        )


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / SPENDING_NAME).read_text().splitlines()]


def test_questions_arrive_with_schema_picture_and_seed(tmp_path: Path) -> None:
    with faulty_server(answer) as server:
        report = run(tmp_path, server.url, 2, MemoryStore(), input_price=2.0, output_price=8.0)
    assert (report.progress.done, report.progress.accepted, report.progress.rejected) == (2, 4, 2)
    request = next(one for one in server.requests if '"stage": "vote"' in text_of(one))
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("tiny", 200, 0.5)
    assert isinstance(request["seed"], int)
    schema = request["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"], schema["schema"]["required"]) == ("vote", True, ["numbers"])
    (picture,) = images_of(request)
    assert (picture.format, picture.size) == ("PNG", (80, 60))
    calls = len(server.requests)
    assert (report.progress.usage.input_tokens, report.progress.usage.output_tokens) == (
        100 * calls,
        10 * calls,
    )
    assert report.progress.cost == pytest.approx(calls * (100 * 2 + 10 * 8) / 1e6)
    assert [line["ok"] for line in lines(tmp_path)] == [True] * calls
    assert set(lines(tmp_path)[0]) == {
        "time", "model", "stage", "input_tokens", "output_tokens", "cost", "ok", "estimated", "correction",
    }  # fmt: skip


def test_with_all_faults_the_ledger_is_that_of_a_sound_server(tmp_path: Path) -> None:
    sound, tried = MemoryStore(), MemoryStore()
    with faulty_server(answer) as server:
        run(tmp_path / "sound", server.url, 9, sound)
    shares = dict.fromkeys((*TRANSPORT, *BROKEN), 0.08)
    with faulty_server(answer, faults=shares, slow=0.6) as server:
        # enough tries that none of the tasks ends without a usable reply
        report = run(tmp_path / "tried", server.url, 9, tried, timeout=0.3, corrections=8, retries=8)
    assert (report.progress.failed, report.progress.done) == (0, 9)
    assert set(shares) <= set(server.met)
    assert {key: part.data for key, part in tried.parts.items()} == {
        key: part.data for key, part in sound.parts.items()
    }
    failed = [line for line in lines(tmp_path / "tried") if not line["ok"]]
    assert len(failed) >= sum(server.met[fault] for fault in TRANSPORT)
    assert len(lines(tmp_path / "tried")) >= len(server.requests)
    broken = sum(server.met[fault] for fault in BROKEN if fault != "wrong_numbers")
    assert broken <= sum(line["correction"] for line in lines(tmp_path / "tried"))


@pytest.mark.parametrize("fault", TRANSPORT)
def test_a_server_that_never_recovers_fails_the_row_with_one_sentence(tmp_path: Path, fault: str) -> None:
    ledger = MemoryStore()
    with faulty_server(answer, faults={fault: 1.0}, repeats=99, slow=0.4) as server:
        report = run(tmp_path, server.url, 1, ledger, retries=1, timeout=0.1 if fault == "slow" else 5)
    (reason,) = report.failures
    assert "in 2 tries" in reason
    assert "\n" not in reason
    assert (report.progress.failed, len(server.requests), ledger.parts) == (1, 2, {})


@pytest.mark.parametrize("fault", BROKEN)
def test_a_model_that_never_answers_fails_the_row_and_names_the_fault(tmp_path: Path, fault: str) -> None:
    ledger = MemoryStore()
    with faulty_server(answer, faults={fault: 1.0}, repeats=99) as server:
        server._fault = lambda name: fault  # type: ignore[method-assign]
        report = run(tmp_path, server.url, 1, ledger, corrections=1)
    (reason,) = report.failures
    expected = {
        "broken_reply": "expected one JSON object",
        "wrong_numbers": "from 1 to 8, got 999",
        "refusal": "is a refusal (I cannot look at this.)",
        "truncated": "reached the limit of tokens",
        "no_text": "expected one JSON object",
    }
    assert expected[fault] in reason
    assert (report.progress.failed, len(server.requests), ledger.parts) == (1, 2, {})
    roles = [message["role"] for message in server.requests[1]["messages"]]
    assert roles == (["user", "user"] if fault == "no_text" else ["user", "assistant", "user"])
    assert "This reply cannot be used" in text_of(server.requests[1])


def test_missing_usage_is_estimated_with_one_note(tmp_path: Path) -> None:
    notes: list[str] = []
    with faulty_server(answer, usage=False) as server:
        report = run(tmp_path, server.url, 2, MemoryStore(), notes)
    assert len(notes) == 1
    assert "reports no usage: tokens and costs are estimates" in notes[0]
    assert report.progress.usage.input_tokens > 0
    assert all(line["estimated"] for line in lines(tmp_path))


def test_no_key_appears_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    ledger, notes = MemoryStore(), list[str]()

    def echo(request: dict[str, Any]) -> str:
        reply: dict[str, Any] = json.loads(answer(request))
        return json.dumps({**reply, "note": f"your key is {KEY}"})

    faults = {"failing": 0.3, "busy": 0.3}
    with (
        caplog.at_level("DEBUG"),
        faulty_server(echo, faults=faults, refused=("seed",), usage=False) as server,
    ):
        run(tmp_path, server.url.replace("://", f"://me:{KEY}@"), 3, ledger, notes, key_variable="MY_KEY")
    assert len(ledger.parts) == 3 * 14
    shown = [str(ledger.parts), *notes, *(path.read_text() for path in tmp_path.iterdir())]
    shown += [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]
    assert not [text for text in shown if KEY in text]


def test_concurrency_is_kept(tmp_path: Path) -> None:
    with faulty_server(answer, delay=0.01) as server:
        run(tmp_path, server.url, 6, MemoryStore(), concurrency=3)
    assert server.most_active == 3


def test_a_busy_server_slows_everybody_down(tmp_path: Path) -> None:
    with faulty_server(answer, faults={"busy": 1.0}, retry_after="0.3") as server:
        server._fault = lambda name: "busy" if len(server.requests) == 1 else ""  # type: ignore[method-assign]
        run(tmp_path, server.url, 3, MemoryStore(), concurrency=1)
    assert server.times[1] - server.times[0] >= 0.3


def test_requests_per_minute_are_kept(tmp_path: Path) -> None:
    with faulty_server(answer) as server:
        run(tmp_path, server.url, 1, MemoryStore(), requests_per_minute=600)
    assert len(server.times) == 13
    assert (
        server.times[-1] - server.times[0] >= (13 - 1 - 10) * 0.1
    )  # a bucket of one second, then 10 a second


@pytest.mark.parametrize("cap", [{"max_tokens": 3000}, {"max_cost": 0.05, "output_price": 100.0}])
def test_a_budget_stops_cleanly_and_a_greater_one_resumes(tmp_path: Path, cap: Mapping[str, Any]) -> None:
    ledger = MemoryStore()
    with faulty_server(answer, delay=0.01) as server:
        report = run(tmp_path, server.url, 15, ledger, **cap)
        name = next(iter(cap))
        assert "the budget of tiny is spent" in report.stopped
        assert f"raise vlm.{name} and run again to resume" in report.stopped
        spent = lines(tmp_path)
        assert sum(line["cost"] for line in spent) <= cap.get("max_cost", 1e9)
        assert sum(line["input_tokens"] + line["output_tokens"] for line in spent) <= cap.get(
            "max_tokens", 1e9
        )
        assert len([part for part in ledger.parts.values() if part.stage != "outcome"]) == len(
            server.requests
        )
        before = len(server.requests)
        assert run(tmp_path, server.url, 15, ledger, **cap).stopped == report.stopped
        assert len(server.requests) == before
        report = run(tmp_path, server.url, 15, ledger, **{**cap, name: 10**6})
        assert (report.stopped, report.progress.done) == ("", 15)
    assert max(server.tries.values()) == 1


def test_a_wrong_model_or_key_is_found_before_the_first_row(tmp_path: Path) -> None:
    with faulty_server(answer, models=("large", "small")) as server:
        with pytest.raises(
            ServiceError, match="knows no such model; it has 'large', 'small': correct `model`"
        ):
            run(tmp_path, server.url, 2, MemoryStore())
        assert not server.requests
    with pytest.raises(ServiceError, match="cannot be reached"):
        run(tmp_path, server.url, 2, MemoryStore())
