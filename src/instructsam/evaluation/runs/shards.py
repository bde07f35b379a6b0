"""One benchmark answered by several processes: how images are shared, and how their files become one. No torch.

Each process appends to a part of its own beside predictions.jsonl. Parts that a stopped run left behind are taken over
at the next start, with whatever number of processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from instructsam.data.record import Record
from instructsam.errors import InputError
from instructsam.evaluation.runs.predictions import PredictionFile
from instructsam.evaluation.runs.stored_prediction import StoredPrediction


@dataclass(frozen=True)
class Shard:
    """Which of how many processes this one is; the first is the main one.

    Attributes:
        rank: from 0.
        processes: how many share the work.
        local_rank: number on this machine, which chooses the GPU.
    """

    rank: int = 0
    processes: int = 1
    local_rank: int = 0

    @property
    def is_main(self) -> bool:
        """Whether this one scores and prints."""
        return self.rank == 0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Shard:
        """From RANK, WORLD_SIZE and LOCAL_RANK, which `python -m torch.distributed.run` sets; alone without them.

        Raises:
            InputError: the variables contradict each other, or the address at which the processes meet is missing.
        """
        given = os.environ if environment is None else environment
        if given.get("WORLD_SIZE", "1") == "1":
            return cls()
        try:
            rank, processes = int(given["RANK"]), int(given["WORLD_SIZE"])
            local_rank = int(given.get("LOCAL_RANK", rank))
        except (KeyError, ValueError) as error:
            raise InputError(
                f"WORLD_SIZE is {given['WORLD_SIZE']!r}, so RANK, WORLD_SIZE and LOCAL_RANK must be whole numbers: "
                "start with python -m torch.distributed.run --nproc_per_node N -m instructsam evaluate ..."
            ) from error
        if not 0 <= rank < processes:
            raise InputError(f"RANK must lie in [0, WORLD_SIZE), got {rank} of {processes}")
        if absent := [name for name in ("MASTER_ADDR", "MASTER_PORT") if not given.get(name)]:
            raise InputError(
                f"{processes} processes need {' and '.join(absent)} to meet: set them, or start with "
                "python -m torch.distributed.run --nproc_per_node N -m instructsam evaluate ..."
            )
        return cls(rank, processes, local_rank)


class Share:
    """Decides for each record, in the benchmark's order, whether this process answers it.

    Images with unanswered instructions go to the processes in turn: all instructions about an image go to one
    process.

    Args:
        is_done: whether a record is answered already; every process must know the same.
    """

    def __init__(self, shard: Shard, is_done: Callable[[Record], bool] = lambda _: False) -> None:
        self._shard, self._is_done = shard, is_done
        self._picture: str | None = None
        self._next = 0
        self._mine: bool | None = None

    def __call__(self, record: Record) -> bool:
        if record.image.file != self._picture:
            self._picture, self._mine = record.image.file, None
        if self._is_done(record):
            return False
        if self._mine is None:
            self._mine = self._next % self._shard.processes == self._shard.rank
            self._next += 1
        return self._mine


def part_path(predictions: Path, shard: Shard) -> Path:
    """Where a process writes: predictions.part-0003.jsonl."""
    return predictions.with_name(f"{predictions.stem}.part-{shard.rank:04d}{predictions.suffix}")


def merge_parts(predictions: Path, header: Mapping[str, str]) -> tuple[str, ...]:
    """Move what the parts hold into the whole file, each answer once, and remove them; only one process may do this.

    When it is stopped half-way, nothing is lost: a part is removed after its lines are on disk. A line of a part
    replaces one of the whole file that has no answer, or that answers other content.

    Returns:
        what was repaired.

    Raises:
        InputError: a file is of another run, or a line is malformed.
    """
    parts = sorted(predictions.parent.glob(f"{predictions.stem}.part-*{predictions.suffix}"))
    if not parts:
        return ()
    with PredictionFile(predictions, header) as whole:
        notes = list(whole.notes)
        for path in parts:
            with PredictionFile(path, header) as part:
                notes += part.notes
                for item in part.done.values():
                    if _is_news(item, whole.done.get(item.id)):
                        whole.append(item)
                        whole.done[item.id] = item
            whole.sync()
            path.unlink()
    return tuple(notes)


def _is_news(item: StoredPrediction, before: StoredPrediction | None) -> bool:
    if before is None or item.content != before.content:
        return True
    return not before.answered and (item.answered or item.reason != before.reason)
