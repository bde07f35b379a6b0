"""Functions that open models in worker processes: a process imports them by name."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from instructsam.errors import CheckpointError
from instructsam.inference.segmenter import Segmenter
from tests.tiny import tiny_pair


def tiny() -> Segmenter:
    return Segmenter(*tiny_pair())


def missing() -> Segmenter:
    raise CheckpointError("there is no such folder")


class Fragile(Segmenter):
    """Ends its process at the instruction "die", and at "die once" if the file is there, which it removes."""

    def __init__(self, file: Path) -> None:
        super().__init__(*tiny_pair())
        self._file = file

    def segment_jobs(self, jobs: Any, **options: Any) -> Any:
        texts = {text for job in jobs for text in job.instructions}
        once = "die once" in texts and self._file.exists()
        if once:
            self._file.unlink()
        if once or "die" in texts:
            os.kill(os.getpid(), signal.SIGKILL)
        if "fail" in texts:
            raise ValueError("shapes do not fit")
        return super().segment_jobs(jobs, **options)


class OpenFragile:
    """Opens a `Fragile`."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self) -> Segmenter:
        return Fragile(self.file)
