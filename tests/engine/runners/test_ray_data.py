"""The runner on Ray: a local cluster of two actors makes the ledger of the local runner."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from instructsam.engine.rows import row_to_dict
from instructsam.engine.run_folder import MAIN_SEGMENT, RunFolder, open_run_folder
from instructsam.engine.runners.local import run_rows
from instructsam.engine.runners.progress import Progress, RunReport
from instructsam.engine.runners.ray_data import run_on_ray
from instructsam.engine.runners.ray_worker import Equipment
from instructsam.engine.runners.spending import Call, SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Correction, Pictures, Reply, Responder, VLMStage
from instructsam.engine.tasks import Task, Usage
from instructsam.errors import InputError, InstructSAMError
from tests.engine.runners.toy import ToyPictures, ToyResponder, make_config, make_rows, make_stages

# Ray warns of settings that it sets itself.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")]
ROWS = make_rows(12)


class LoggingResponder(ToyResponder):
    """Logs every call."""

    def __init__(self, log: SpendingLog) -> None:
        super().__init__()
        self.log = log

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        self.log.append(Call("tiny", task.stage, Usage(10, 2), 0.25))
        return await super().reply(stage, task, pictures, correction)


def build(config: EngineConfig, spending: SpendingLog, stop: Stop) -> Equipment:
    stages = make_stages()
    responder: Responder = LoggingResponder(spending)
    return Equipment(stages, dict.fromkeys(stages, responder), ToyPictures())


class DyingResponder(ToyResponder):
    """Kills its process, once in a run, at some question in the middle of a batch."""

    def __init__(self, marker: Path) -> None:
        super().__init__()
        self.marker = marker

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        if (task.stage, task.row.id) == ("exhaustive", "image-6") and not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().reply(stage, task, pictures, correction)


def build_dying(config: EngineConfig, spending: SpendingLog, stop: Stop) -> Equipment:
    stages = make_stages()
    responder: Responder = DyingResponder(config.output_dir / "died")
    return Equipment(stages, dict.fromkeys(stages, responder), ToyPictures())


def build_none(config: EngineConfig, spending: SpendingLog, stop: Stop) -> Equipment:
    raise InputError(f"there is no model {config.vlm.model}")


def prepare(folder: Path, storage: str = "") -> tuple[EngineConfig, RunFolder]:
    config = make_config(folder)
    cluster = config.cluster.model_copy(update={"rows_per_batch": 5, "storage": storage})
    config = config.model_copy(update={"cluster": cluster})
    run, _ = open_run_folder(config)
    content = "".join(json.dumps(row_to_dict(row)) + "\n" for row in ROWS)
    run.rows.write_text(content)
    if storage:
        Path(storage.removeprefix("local://")).mkdir()
        Path(run.shared_rows.removeprefix("local://")).write_text(content)
    return config, run


def run_here(config: EngineConfig, run: RunFolder, rows: int) -> RunReport:
    with run.open_ledger(MAIN_SEGMENT) as ledger, SpendingLog(run.root) as spending:
        equipment = build(config, spending, Stop())
        done = run_rows(
            ROWS[:rows], config, equipment.stages, equipment.responders, equipment.pictures, ledger
        )
        return asyncio.run(done)


def lines(folder: str) -> list[bytes]:
    paths = Path(folder.removeprefix("local://")).glob("*.jsonl")
    return sorted(line for path in paths for line in path.read_bytes().splitlines())


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    ray.init(
        "local", num_cpus=2, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], Progress]:
    config, run = prepare(tmp_path_factory.mktemp("here") / "run")
    report = run_here(config, run, len(ROWS))
    return lines(run.ledger), report.progress


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("remote", [False, True], ids=["shared folder", "storage"])
def test_a_cluster_makes_the_ledger_of_the_local_runner(
    tmp_path: Path, expected: tuple[list[bytes], Progress], remote: bool
) -> None:
    config, run = prepare(tmp_path / "run", f"local://{tmp_path}/storage" if remote else "")
    seen: list[Progress] = []
    report = run_on_ray(config, run, build, progress=seen.append)
    there, here = report.progress, expected[1]
    assert (report.stopped, report.failures) == ("", {})
    assert lines(run.ledger) == expected[0]
    assert (there.done, there.resumed, there.accepted, there.rejected) == (12, 0, 24, here.rejected)
    assert len(seen) == 3
    with SpendingLog(run.root) as spending:
        calls = spending.total.calls
        assert there.cost == spending.total.cost == 0.25 * calls
    again = run_on_ray(config, run, build).progress
    assert (again.done, again.resumed, again.accepted, again.cost) == (12, 12, 24, 0)
    assert lines(run.ledger) == expected[0]
    with SpendingLog(run.root) as spending:
        assert spending.total.calls == calls


@pytest.mark.usefixtures("cluster")
def test_parts_of_other_segments_are_not_performed_again(
    tmp_path: Path, expected: tuple[list[bytes], Progress]
) -> None:
    config, run = prepare(tmp_path / "run")
    Path(run.ledger).mkdir()
    begun = [line for line in expected[0] if b'"stage":"vote"' in line or b'"row":"image-3"' in line]
    (Path(run.ledger) / "earlier.jsonl").write_bytes(b"\n".join(begun) + b"\n")
    report = run_on_ray(config, run, build)
    assert (report.progress.done, report.progress.resumed) == (12, 1)
    assert lines(run.ledger) == expected[0]
    with SpendingLog(run.root) as spending:
        outcomes = sum(b'"stage":"outcome"' in line for line in begun)
        assert spending.total.calls == len(expected[0]) - len(ROWS) - (len(begun) - outcomes)


@pytest.mark.usefixtures("cluster")
def test_a_killed_actor_loses_and_doubles_nothing(
    tmp_path: Path, expected: tuple[list[bytes], Progress]
) -> None:
    config, run = prepare(tmp_path / "run")
    report = run_on_ray(config, run, build_dying)
    assert (run.root / "died").exists()
    assert report.progress.done == 12
    assert lines(run.ledger) == expected[0]
    segments = [path.read_text() for path in Path(run.ledger).glob("*.jsonl")]
    assert sum('"row":"image-6"' in text for text in segments) == 2, "begun by one, finished by another"


@pytest.mark.usefixtures("cluster")
def test_errors_of_actors_keep_their_message(tmp_path: Path) -> None:
    config, run = prepare(tmp_path / "run")
    with pytest.raises(InstructSAMError, match=r"^there is no model tiny$"):
        run_on_ray(config, run, build_none)
    Path(run.ledger).mkdir(exist_ok=True)
    (Path(run.ledger) / "main.jsonl").write_text("?\n")
    with pytest.raises(InputError, match=r"main\.jsonl, line 1: expected a part"):
        run_on_ray(config, run, build)
