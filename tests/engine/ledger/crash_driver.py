"""A run that other tests kill: `python -m tests.engine.ledger.crash_driver FOLDER ROWS`."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.run_folder import MAIN_SEGMENT
from instructsam.engine.runners.local import run_rows
from instructsam.engine.runners.progress import RunReport
from instructsam.engine.stages.base import Correction, Pictures, Reply, VLMStage
from instructsam.engine.tasks import Task
from tests.engine.runners.toy import ToyPictures, ToyResponder, make_config, make_rows, make_stages


class SlowResponder(ToyResponder):
    """Answers late, in another order in each run."""

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        await asyncio.sleep(random.uniform(0, 0.002))
        return await super().reply(stage, task, pictures, correction)


def run(folder: Path, rows: int, responder: ToyResponder) -> RunReport:
    stages = make_stages()
    responders = dict.fromkeys(stages, responder)
    with Ledger(folder, MAIN_SEGMENT) as ledger:
        config = make_config(folder, concurrency=4)
        return asyncio.run(run_rows(make_rows(rows), config, stages, responders, ToyPictures(), ledger))


if __name__ == "__main__":
    assert run(Path(sys.argv[1]), int(sys.argv[2]), SlowResponder()).progress.done == int(sys.argv[2])
