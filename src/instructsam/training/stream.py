"""The stream of training batches: batch k is a pure function of (seed, k, rank, processes).

So the data position of a run is one number, and a resumed run sees exactly the batches it would have seen.
Pictures are never flipped: instructions say left and right.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import connection, parent_process
from typing import cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from instructsam.errors import InstructSAMError
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.augment import draw_light, lit
from instructsam.training.collate import TrainingBatch, collate
from instructsam.training.settings import DataSettings
from instructsam.training.stopping import STOP_SIGNALS
from instructsam.world.instructions.invented import about_nothing
from instructsam.world.instructions.nouns import Nouns
from instructsam.world.splits.stream import WorldSample, WorldSettings, world_sample

_DIRECT_STREAM = 0xD1EC7  # keeps the choice of asking apart from the world's own random numbers
_INVENTED_STREAM = 0x1_57EA4  # and the choice of unknown words


class WorkerLostError(InstructSAMError):
    """A worker process has ended, though nobody asked it to."""


class WorldBatches(Dataset[TrainingBatch]):
    """`self[k]` is this process's batch k; there is no last one."""

    def __init__(
        self,
        processor: InstructSAMProcessor,
        settings: DataSettings,
        seed: int,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.processor = processor
        self.settings = settings
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.world = WorldSettings(
            short_sides=tuple(settings.short_sides),
            instructions_per_scene=settings.instructions_per_scene,
            min_objects=settings.min_objects,
            max_objects=settings.max_objects,
            split="train",
            families=tuple(settings.families),
            layouts=tuple(settings.layouts),
            family_shares=settings.family_shares,
        )

    def __getitem__(self, index: int) -> TrainingBatch:
        first = (index * self.processes + self.rank) * self.settings.scenes_per_batch
        positions = range(first, first + self.settings.scenes_per_batch)
        world = replace(self.world, nouns=self._nouns(index))
        scenes = [self._changed(position, world_sample(self.seed, position, world)) for position in positions]
        direct = [self._direct(position, scene) for position, scene in zip(positions, scenes, strict=True)]
        return collate(index, scenes, direct, self.processor, self.settings.captions)

    def _nouns(self, index: int) -> Nouns:
        """The level of bare noun phrases that batch `index` asks, "" for instructions."""
        reached = [(first, level) for level, first in self.settings.nouns.items() if first <= index]
        return cast("Nouns", max(reached)[1]) if reached else ""

    def _changed(self, position: int, scene: WorldSample) -> WorldSample:
        """The scene in the light of its position, where answers stay, and some of its things renamed."""
        if self.settings.invented_words:
            rng = np.random.default_rng([self.seed, _INVENTED_STREAM, position])
            unknown = rng.random(len(scene.instructions)) < self.settings.invented_words
            asked = [
                (about_nothing(one, rng) or one) if changed else one
                for one, changed in zip(scene.instructions, unknown, strict=True)
            ]
            scene = replace(scene, instructions=asked)
        light = draw_light(self.seed, position, self.settings.light)
        if light is None:
            return scene
        return replace(scene, rendered=replace(scene.rendered, image=lit(scene.rendered.image, light)))

    def _direct(self, position: int, scene: WorldSample) -> list[bool]:
        """Which instructions of a scene are given as their own phrase."""
        rng = np.random.default_rng([self.seed, _DIRECT_STREAM, position])
        return [bool(value < self.settings.direct_fraction) for value in rng.random(len(scene.instructions))]


class From(Sampler[int]):
    """Indices first, first + 1, ... up to, not including, `stop`."""

    def __init__(self, first: int, stop: int) -> None:
        self.first = first
        self.stop = stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.stop))

    def __len__(self) -> int:
        return max(0, self.stop - self.first)


def batches(dataset: WorldBatches, first: int, stop: int) -> Iterator[TrainingBatch]:
    """Batches first .. stop - 1 in order, drawn ahead by the settings' worker processes.

    Raises:
        WorkerLostError: a worker was killed.
    """
    workers = dataset.settings.workers
    if workers:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    loader: DataLoader[TrainingBatch] = DataLoader(
        dataset,
        batch_size=None,
        sampler=From(first, stop),
        num_workers=workers,
        prefetch_factor=dataset.settings.prefetch if workers else None,
        worker_init_fn=_start_worker if workers else None,
        # a generator of its own: the loader's seed draw must not move the run's random state
        generator=torch.Generator(),
    )
    drawn = _without_child_signals(loader)
    try:
        yield from drawn
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise WorkerLostError(
            f"one of the {workers} processes that draw scenes was killed, usually for lack of memory: set a lower "
            "data.workers or data.prefetch and repeat the command with --resume"
        ) from error


def _without_child_signals(loader: DataLoader[TrainingBatch]) -> Iterator[TrainingBatch]:
    """The loader's iterator, which reports a lost worker when the next batch is due.

    PyTorch would raise in the handler of SIGCHLD, so in the middle of an update or of a checkpoint.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    handler = signal.getsignal(signal.SIGCHLD)
    drawn = iter(loader)
    signal.signal(signal.SIGCHLD, handler)
    return drawn


def _start_worker(_: int) -> None:
    """One thread per worker, which ends with the training process and with nothing else.

    Stop signals reach the whole process group; the training process needs its workers until its checkpoint is saved.
    """
    torch.set_num_threads(1)
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
