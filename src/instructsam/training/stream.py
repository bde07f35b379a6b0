"""The stream of training batches: sample k of a run is a pure function of (source, seed, k).

The position of a run in its data is the number of samples drawn, whatever the number of processes and workers and the
size of batches: a resumed run continues with the sample that comes next.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing import active_children, connection, parent_process
from multiprocessing.process import BaseProcess

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from instructsam.data.sample import TrainingSample
from instructsam.data.sources import SampleSource
from instructsam.errors import InputError, InstructSAMError
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.augmentation.color import apply_color_jitter, draw_color_jitter
from instructsam.training.augmentation.pipeline import augment
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.collate import collate
from instructsam.training.data_settings import DataSettings
from instructsam.training.skipping import ATTEMPTS, sample_number
from instructsam.training.stopping import STOP_SIGNALS

_DIRECT_STREAM = 0xD1EC7  # keeps the choice of direct instructions apart from all other random numbers


class WorkerLostError(InstructSAMError):
    """A worker process ended unexpectedly."""


class TrainingBatches(Dataset[TrainingBatch]):
    """`self[k]` is this process's batch k after `first_sample`, for every k: `source` is endless.

    Batch k of all processes together holds the samples from `first_sample` + k * `per_batch` on, rank by rank.
    """

    def __init__(
        self,
        source: SampleSource,
        processor: InstructSAMProcessor,
        sizes: OutputSizes,
        settings: DataSettings,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        first_sample: int = 0,
    ) -> None:
        self.source = source
        self.processor = processor
        self.sizes = sizes
        self.settings = settings
        self.seed = seed
        self.rank = rank
        self.processes = processes
        self.first_sample = first_sample

    @property
    def per_batch(self) -> int:
        """Samples that all processes draw for one batch each."""
        return self.processes * self.settings.images_per_batch

    def __getitem__(self, index: int) -> TrainingBatch:
        first = self.first_sample + index * self.per_batch + self.rank * self.settings.images_per_batch
        positions = range(first, first + self.settings.images_per_batch)
        try:
            return self._batch(positions, check=False)
        except InputError:  # of all samples together: find out which of them it is
            return self._batch(positions, check=True)

    def _batch(self, positions: range, check: bool) -> TrainingBatch:
        """The batch of some positions; `check` looks at each sample on its own too."""
        skipped: list[str] = []
        samples = [self._sample(position, check, skipped) for position in positions]
        direct = [self._direct(position, sample) for position, sample in zip(positions, samples, strict=True)]
        batch = collate(positions[0], samples, direct, self.processor, self.sizes)
        return replace(batch, skipped=tuple(skipped))

    def _sample(self, position: int, check: bool, skipped: list[str]) -> TrainingSample:
        """The sample at a position, or with `on_error: skip` the first usable one of those that may replace it."""
        for attempt in range(ATTEMPTS):
            try:
                sample = self.source[sample_number(self.seed, position, attempt)]
                sample = self._prepared(position, sample)
                if check:
                    self._check(position, sample)
                return sample
            except InputError as error:
                if self.settings.on_error == "stop":
                    raise InputError(f"{error}; data.on_error=skip leaves such samples out") from error
                skipped.append(str(error))
        raise InputError(f"{ATTEMPTS} samples in a row cannot be used, the last one: {skipped[-1]}")

    def _check(self, position: int, sample: TrainingSample) -> None:
        """Refuse a sample that no batch can hold; the message names it."""
        try:
            collate(position, [sample], [self._direct(position, sample)], self.processor, self.sizes)
        except InputError as error:
            raise error if sample.id in str(error) else InputError(f"{sample.id}: {error}") from error

    def _prepared(self, position: int, sample: TrainingSample) -> TrainingSample:
        """The sample with the augmentation and the colour jitter of its position."""
        sample = augment(sample, self.seed, position, self.settings.augment)
        jitter = draw_color_jitter(self.seed, position, self.settings.color_jitter)
        return sample if jitter is None else replace(sample, image=apply_color_jitter(sample.image, jitter))

    def _direct(self, position: int, sample: TrainingSample) -> list[bool]:
        """Which instructions of a sample are given as their own phrase."""
        rng = np.random.default_rng([self.seed, _DIRECT_STREAM, position])
        return [bool(value < self.settings.direct_fraction) for value in rng.random(len(sample.instructions))]


class _BatchesOrErrors(Dataset[TrainingBatch | InstructSAMError]):
    """Errors of input stand in place of their batches: PyTorch would put a worker's traceback into the message."""

    def __init__(self, dataset: TrainingBatches) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> TrainingBatch | InstructSAMError:
        try:
            return self.dataset[index]
        except InstructSAMError as error:
            return error


class From(Sampler[int]):
    """Indices first, first + 1, ... up to, not including, `stop`."""

    def __init__(self, first: int, stop: int) -> None:
        self.first = first
        self.stop = stop

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.stop))

    def __len__(self) -> int:
        return max(0, self.stop - self.first)


def batches(dataset: TrainingBatches, first: int, stop: int) -> Iterator[TrainingBatch]:
    """Batches first .. stop - 1 in order, made ahead by the settings' worker processes.

    Raises:
        InputError: a sample cannot be used; the message names it.
        WorkerLostError: a worker was killed.
    """
    workers = dataset.settings.workers
    if workers:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        _allow_open_files()
    loader: DataLoader[TrainingBatch | InstructSAMError] = DataLoader(
        _BatchesOrErrors(dataset),
        batch_size=None,
        sampler=From(first, stop),
        num_workers=workers,
        prefetch_factor=dataset.settings.prefetch if workers else None,
        worker_init_fn=_start_worker if workers else None,
        pin_memory=torch.cuda.is_available(),
        # a generator of its own: the seed that the loader draws must not move the run's random state
        generator=torch.Generator(),
    )
    others = set(active_children())
    made = _without_child_signals(loader)
    end = partial(_kill, [child for child in active_children() if child not in others])
    # an iterator that is still referenced when the process exits ends no workers, and Python waits for them
    atexit.register(end)
    try:
        for batch in made:
            if isinstance(batch, InstructSAMError):
                raise batch
            yield batch
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise WorkerLostError(
            f"one of the {workers} processes that make batches was killed, usually for lack of memory: set a lower "
            "data.workers or data.prefetch and repeat the command with --resume"
        ) from error
    finally:
        del made  # a traceback that holds this frame would keep the workers alive
        end()
        atexit.unregister(end)


def _kill(workers: Sequence[BaseProcess]) -> None:
    """End workers that are still there; they ignore the SIGTERM with which PyTorch and Python end them."""
    for worker in workers:
        if worker.is_alive():
            worker.kill()
        worker.join()


def _allow_open_files(wanted: int = 65_536) -> None:
    """Raise the process's limit as far as it may: each tensor on its way from a worker holds a file open."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _without_child_signals(
    loader: DataLoader[TrainingBatch | InstructSAMError],
) -> Iterator[TrainingBatch | InstructSAMError]:
    """The loader's iterator, which reports a lost worker when the next batch is due.

    PyTorch would raise in the handler of SIGCHLD, so in the middle of an update or of a checkpoint.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    handler = signal.getsignal(signal.SIGCHLD)
    iterator = iter(loader)
    signal.signal(signal.SIGCHLD, handler)
    return iterator


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
