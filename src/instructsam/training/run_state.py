"""The state of a run: everything that its checkpoints hold, and the export that is made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from instructsam.data.sources import SampleSource
from instructsam.errors import InputError
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.word_list import save_words
from instructsam.training import checkpointing, state_tensors
from instructsam.training.ema import Average
from instructsam.training.export import (
    CHECKPOINTS,
    LAST,
    discard_export,
    export_folder,
    export_is_current,
    export_model,
    link_earlier_name,
)
from instructsam.training.lora import ADAPTER, merged_state, save_adapter
from instructsam.training.probes import save_probes
from instructsam.training.processes import Processes
from instructsam.training.random_state import random_state, seed_random_state, set_random_state
from instructsam.training.run_folder import stored_settings
from instructsam.training.run_source import check_same_source, source_record
from instructsam.training.settings import RunConfig
from instructsam.training.sharding import gathered
from instructsam.training.skipping import SkipCount
from instructsam.training.start import model_name
from instructsam.training.trainable import Trainable

OnCheckpoint = Callable[[Path, int], None]


class RunState:
    """Weights, their average, optimizer and counters of one process of a run.

    Attributes:
        step, instructions, samples_drawn, seconds: done so far by all processes; `samples_drawn` is the position in the
            data, from which a resumed run continues.
        skips: samples that could not be used.
        new_probes: objectives whose probes were new on trained parts when the run began (`optim`).
        trained_parts: parts of the model that this run and those before it have trained.
        average: of the model's weights; None without averaging.
    """

    def __init__(
        self,
        config: RunConfig,
        source: SampleSource,
        processor: InstructSAMProcessor,
        trainable: Trainable,
        optimizer: torch.optim.Optimizer,
        processes: Processes,
        on_checkpoint: OnCheckpoint | None,
    ) -> None:
        self.config = config
        self.source = source
        self.processor = processor
        self.trainable = trainable
        self.optimizer = optimizer
        self.processes = processes
        self.on_checkpoint = on_checkpoint
        self.average = Average(trainable.model) if config.optim.ema_decay else None
        self.step = 0
        self.instructions = 0
        self.samples_drawn = 0
        self.skips = SkipCount()
        self.seconds = 0.0
        self.new_probes: Sequence[str] = ()
        self.trained_parts: Sequence[str] = ()
        self._saved_step = -1
        self._frozen_in: Path | None = None  # a checkpoint with the frozen weights
        self._whole: dict[str, Tensor] = {}

    @property
    def checkpoints(self) -> Path:
        """Folder of this run's checkpoints."""
        return self.config.folder / CHECKPOINTS

    def update_average(self) -> None:
        """Take the current weights into their average."""
        if self.average:
            self.average.update(self.trainable.model, self.config.optim.ema_decay)

    def save_if_new(self) -> None:
        """`save`, unless this step is saved already."""
        if self._saved_step != self.step:
            self.save()

    def save(self) -> Path:
        """Write checkpoint and exported model, then call back.

        Raises:
            InstructSAMError: they cannot be written, for example because the disk is full; earlier files stay.
        """
        try:
            self._write_checkpoint()
            self.export()
        except (OSError, SafetensorError, InputError) as error:
            if self.processes.is_main:
                checkpointing.discard_unfinished(self.checkpoints)
                discard_export(self.config.folder / LAST)
                discard_export(self.config.folder / ADAPTER)
            raise checkpointing.unwritable(self.checkpoints, self.step, error) from error
        self._saved_step = self.step
        self.processes.wait()
        return checkpointing.checkpoint_folder(self.checkpoints, self.step)

    def _write_checkpoint(self) -> None:
        frozen = state_tensors.frozen_names(self.trainable)
        weights = state_tensors.model_tensors(self.trainable)
        tensors = {
            "model": {name: tensor for name, tensor in weights.items() if name not in frozen},
            "optimizer": state_tensors.optimizer_tensors(self.optimizer, self.trainable),
        }
        if frozen and self._frozen_in is None:
            tensors["frozen"] = {name: weights[name] for name in sorted(frozen)}
        if self.average:
            tensors["ema"] = self.average.tensors
        whole = {name: gathered(group, self.processes.is_main) for name, group in tensors.items()}
        meta: dict[str, Any] = {
            "step": self.step,
            "instructions": self.instructions,
            "samples_drawn": self.samples_drawn,
            "skipped": self.skips.total,
            "seconds": self.seconds,
            "processes": self.processes.count,
            "ema_averaged": self.average.count if self.average else 1,
            "new_probes": list(self.new_probes),
            "trained_parts": list(self.trained_parts),
            "source": source_record(self.source),
        }
        rank, wait = self.processes.rank, self.processes.wait
        keep = self.config.schedule.keep_checkpoints
        root, shared = self.checkpoints, self._frozen_in
        checkpointing.write_checkpoint(root, self.step, whole, meta, keep, rank, wait, shared)
        self._frozen_in = checkpointing.checkpoint_folder(root, self.step) if frozen else None

    def restore_latest(self) -> bool:
        """Take over the newest checkpoint; False where there is none."""
        latest = checkpointing.latest_checkpoint(self.checkpoints)
        if latest is None:
            return False
        self.restore(latest)
        self._saved_step = self.step
        self._frozen_in = latest if (latest / checkpointing.FROZEN).is_file() else None
        return True

    def restore(self, folder: Path) -> None:
        """Take over everything that a checkpoint holds.

        Raises:
            CheckpointError: it is damaged or belongs to another model.
            ConfigError: it was written with other data.
        """
        checkpoint = checkpointing.read_checkpoint(folder, self.processes.rank)
        meta = checkpoint.meta
        check_same_source(meta, self.source, folder)
        model, average = state_tensors.model_tensors(self.trainable), self.average
        state_tensors.copy_tensors(checkpoint.model, model, "model")
        state_tensors.load_optimizer_tensors(self.optimizer, self.trainable, checkpoint.optimizer)
        if average:
            # a run that averaged nothing before starts to average from its weights
            saved = checkpoint.ema or {name: model[f"model.{name}"] for name in average.tensors}
            frozen = dict(self.trainable.model.named_parameters()).keys() - average.tensors.keys()
            trained = {name: tensor for name, tensor in saved.items() if name not in frozen}
            state_tensors.copy_tensors(trained, average.tensors, "averaged weights")
            average.count = meta["ema_averaged"]
        self.step, self.instructions, self.seconds = meta["step"], meta["instructions"], meta["seconds"]
        self.samples_drawn = meta.get(
            "samples_drawn", self.step * meta["processes"] * self._images_per_update()
        )
        self.skips = SkipCount(meta.get("skipped", 0))
        self.new_probes, self.trained_parts = meta["new_probes"], meta["trained_parts"]
        if checkpoint.rng is None:  # there were fewer processes
            seed_random_state(self.config.seed, self.step, self.processes.rank)
        else:
            set_random_state(checkpoint.rng)

    def _images_per_update(self) -> int:
        """Samples that a process drew for one update of a run whose checkpoints do not count them."""
        stored = stored_settings(self.config)
        return stored.data.images_per_batch * stored.optim.gradient_accumulation_steps

    def export_is_current(self) -> bool:
        """Whether the exported model was made from the newest checkpoint."""
        return export_is_current(self.config.folder)

    def export(self) -> None:
        """Write the averaged model as a folder that `instructsam.load` opens, and the probes beside it.

        Every process must call this; the main one writes, and calls back.
        """
        with self.whole_weights():
            probes = gathered(self.trainable.objectives.state_dict(), self.processes.is_main)
            if self.processes.is_main:
                self._export(probes)

    def _export(self, probes: dict[str, Tensor]) -> None:
        rng, root = random_state(), self.config.folder
        record = checkpointing.checkpoint_record(checkpointing.checkpoint_folder(self.checkpoints, self.step))
        save_probes(probes, root)
        if self.config.lora.rank and self.config.lora.merge_on_export:
            self._write_adapter(root / ADAPTER, record)
        # the export comes last, for its record stands for all of it
        folder = self.write_model(root / LAST, record)
        link_earlier_name(root)
        if self.on_checkpoint:
            self.on_checkpoint(folder, self.step)
        set_random_state(rng)

    @contextmanager
    def whole_weights(self) -> Iterator[None]:
        """Inside, the main process can call `write_model`; every process must enter."""
        model = self.trainable.model
        state = self.average.state(model) if self.average else model.state_dict(keep_vars=True)
        self._whole = gathered(state, self.processes.is_main)
        try:
            yield
        finally:
            self._whole = {}

    def write_model(self, folder: Path, record: dict[str, Any]) -> Path:
        """Write the averaged model to a folder that `instructsam.load` opens; `record` is a note about it.

        Inside `whole_weights`.
        """
        lora = self.config.lora
        if lora.rank and not lora.merge_on_export:
            return self._write_adapter(folder, record)
        state = merged_state(self._whole, lora, self._export_dtype) if lora.rank else self._whole
        return export_model(folder, self.trainable.model, self.processor, state, self._export_dtype, record)

    def _write_adapter(self, folder: Path, record: dict[str, Any]) -> Path:
        model, lora, base = self.trainable.model, self.config.lora, model_name(self.config.model.path)

        def write(staging: Path) -> None:
            save_adapter(staging, model, self._whole, lora, base, self._export_dtype)
            save_words(self.processor.words, staging)

        return export_folder(folder, write, record)

    @property
    def _export_dtype(self) -> torch.dtype:
        dtype: torch.dtype = getattr(torch, self.config.schedule.export_dtype)
        return dtype
