"""What a slow test starts: `killed_run.py KILLS OVERRIDES...`, one run in several processes, one after the other.

KILLS: one word for each process. "step-9": it kills itself inside the update that makes step 9. "rename-2": it ends
without cleaning up just before its os.replace number 2, counted from 0. "end": it ends by itself.
Prints the exit code of each process, negative for a signal.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from instructsam.config import load_config
from instructsam.experiments.sources import open_source
from instructsam.training.checkpointing import latest_step
from instructsam.training.settings import RunConfig
from instructsam.training.trainer import Trainer, run


def train(kill: str, overrides: list[str]) -> None:
    kind, _, number = kill.partition("-")
    plain_replace, plain_step, count = os.replace, Trainer.train_step, 0

    def replace(*arguments: Any) -> None:
        nonlocal count
        if kind == "rename" and count == int(number):
            os._exit(9)
        count += 1
        plain_replace(*arguments)

    def train_step(self: Trainer, batch: Any) -> Any:
        result = plain_step(self, batch)
        if kind == "step" and self.step == int(number):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    os.replace = replace  # type: ignore[assignment]
    Trainer.train_step = train_step  # type: ignore[method-assign]
    config = load_config(RunConfig, None, overrides)
    run(None, open_source, overrides, resume=latest_step(config.folder / "checkpoints") is not None)


def main(kills: list[str], overrides: list[str]) -> None:
    for kill in kills:
        child = os.fork()  # with everything imported and nothing computed
        if not child:
            train(kill, overrides)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1].split(), sys.argv[2:])
