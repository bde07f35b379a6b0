"""A run that other tests kill: `python -m tests.engine.ledger.crash_driver FOLDER ROWS`. Its replies are hashes."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from instructsam.data.record import ImageRef
from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.rows import ImageRow
from instructsam.engine.run_folder import MAIN_SEGMENT
from instructsam.engine.tasks import Part, Task, Usage


def tasks(row: ImageRow) -> Iterator[Task]:
    yield Task("propose", row)
    for number in range(3):
        yield Task("vote", row, {"candidate": f"{row.id}#0"}, number)
    yield Task("outcome", row)


def perform(ledger: Ledger, task: Task) -> None:
    key = task.key("fingerprint")
    if ledger.get(key) is None:
        reply = hashlib.sha512(key.encode()).hexdigest()
        data = {"text": reply * (1 + int(reply[0], 16)), "row": task.row.id}
        ledger.append(Part(key, task.stage, task.row.id, data, Usage(int(reply[:3], 16), 7)))


def run(folder: Path, rows: int, pause: float = 0.0) -> None:
    with Ledger(folder, MAIN_SEGMENT) as ledger:
        for number in range(rows):
            row = ImageRow(f"row-{number}", ImageRef(f"{number}.png", 8, 8))
            for task in tasks(row):
                perform(ledger, task)
                if pause:
                    time.sleep(pause)


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), pause=0.0002)
