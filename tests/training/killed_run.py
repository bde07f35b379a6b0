"""What slow tests start: a run that kills itself, `killed_run.py STEP REPLACE OVERRIDES...`.

STEP: the process kills itself inside the update of this step, -1 for never.
REPLACE: it exits without cleaning up just before its so manieth `os.replace`, counted from 0, -1 for never.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from instructsam.config import load_config
from instructsam.training.checkpointing import latest_step
from instructsam.training.export import CHECKPOINTS
from instructsam.training.settings import RunConfig
from instructsam.training.trainer import Trainer, run


def main(step: int, replaced: int, overrides: list[str]) -> None:
    plain_replace, plain_step, count = os.replace, Trainer.train_step, 0

    def replace(*arguments: Any) -> None:
        nonlocal count
        if count == replaced:
            os._exit(9)
        count += 1
        plain_replace(*arguments)

    def train_step(self: Trainer, batch: Any) -> Any:
        result = plain_step(self, batch)
        if self.step == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    os.replace = replace  # type: ignore[assignment]
    Trainer.train_step = train_step  # type: ignore[method-assign]
    folder = load_config(RunConfig, None, overrides).folder
    run(None, overrides, resume=latest_step(Path(folder) / CHECKPOINTS) is not None)
    print(f"replaced {count}")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
