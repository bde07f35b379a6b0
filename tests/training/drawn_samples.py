"""What `test_position.py` starts: `drawn_samples.py FILE KILL_AFTER MODE OVERRIDES...`, a run that writes its samples.

FILE gets a line with the ids of the samples of every finished step. KILL_AFTER: finished steps after which the process
kills itself; 0 for never. MODE: "fresh" or "resume".
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from instructsam.experiments.sources import open_source
from instructsam.training import stream
from instructsam.training.trainer import Trainer, run


def record(file: Path, kill_after: int) -> None:
    plain_collate, plain_step, ids = stream.collate, Trainer.train_step, list[str]()

    def collate(first: int, samples: Any, *more: Any) -> Any:
        ids.extend(sample.id for sample in samples)
        return plain_collate(first, samples, *more)

    def train_step(self: Trainer, batch: Any) -> Any:
        if kill_after and self.step == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain_step(self, batch)
        with file.open("a") as out:
            out.write(" ".join(name.split("/")[1] for name in ids) + "\n")
        ids.clear()
        return result

    stream.collate = collate
    Trainer.train_step = train_step  # type: ignore[method-assign]


if __name__ == "__main__":
    record(Path(sys.argv[1]), int(sys.argv[2]))
    run(None, open_source, sys.argv[4:], resume=sys.argv[3] == "resume")
