"""The training loop: one process on a CPU, one on a GPU, or N by `python -m torch.distributed.run`.

One step: draw a batch, forward, criterion, backward, clip, update, average. What a resumed run needs is what
`Trainer.save` writes: weights, averages, optimiser and random state, and the step, which fixes the rest.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from safetensors import SafetensorError
from torch import Tensor

from instructsam.config import load_config
from instructsam.data.sample import ObjectAttribute
from instructsam.data.sources import SampleSource
from instructsam.errors import ConfigError, InputError, InstructSAMError
from instructsam.losses.criterion import Criterion
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training import checkpointing
from instructsam.training.auxiliary.denoising import denoising_loss, noised_targets
from instructsam.training.auxiliary.dense_classes import load_readers, perception_loss, save_readers
from instructsam.training.auxiliary.query_readout import detected_phrases, reading_loss
from instructsam.training.collate import TrainingBatch
from instructsam.training.ema import start_average, update_average
from instructsam.training.export import CHECKPOINTS, MODEL, discard_export, export_is_current, export_model
from instructsam.training.optim import build_optimizer, clip_gradients, set_learning_rate
from instructsam.training.precision import attention_kernel, uses_bfloat16
from instructsam.training.progress import ProgressLog, cut_log, mean_over_processes
from instructsam.training.run_folder import LENGTH, changed_settings, open_run_folder, store_settings
from instructsam.training.settings import RunConfig
from instructsam.training.start import check_start, open_model, start_model
from instructsam.training.stopping import StopSignals, TrainingInterrupted, lost_peers_reported
from instructsam.training.stream import OpenSource, TrainingBatches, WorkerLostError, batches
from instructsam.training.trainable import Trainable, sum_of_outputs

OnCheckpoint = Callable[[Path, int], None]


def run(
    config_path: str | Path | None,
    open_source: OpenSource,
    overrides: Sequence[str] = (),
    resume: bool = False,
    on_checkpoint: OnCheckpoint | None = None,
) -> Path:
    """Train as a YAML file says and return the folder of the trained model.

    Args:
        config_path: a `RunConfig` as YAML; None for the defaults.
        open_source: opens the source of training samples that the configuration names.
        overrides: `key=value` pairs such as `optim.lr=1e-3`.
        resume: continue from the newest checkpoint of the run's folder, with the same settings.
        on_checkpoint: called in the main process at each checkpoint with the exported model's folder, step.

    Raises:
        ConfigError: the configuration is wrong, the folder already holds a run and `resume` is off, or the run to
            resume has other settings.
        InputError: the folder cannot be written, or another process is writing there.
        CheckpointError: the checkpoint to resume from is damaged or belongs to another model.
        TrainingInterrupted: a signal ended the run; its checkpoint is saved.
        InstructSAMError: the loss stopped being finite, the disk is full, or another process of the run is gone.
    """
    config = load_config(RunConfig, config_path, overrides)
    criterion = check_start(config)
    with open_run_folder(config, resume), lost_peers_reported():
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        exported = config.folder / MODEL
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        source = open_source(config.data, config.seed, config.data.images_per_batch * processes)
        # a resumed run keeps the tokenizer and sizes that it began with; its weights come from the checkpoint
        model, processor = (
            open_model(exported, attention_kernel(config))
            if resume and exported.is_dir()
            else start_model(config.model, source.texts, attention_kernel(config))
        )
        return Trainer(config, source, model, processor, criterion, on_checkpoint).fit(resume)


class Trainer:
    """One run on one process; every process of a distributed run makes its own."""

    def __init__(
        self,
        config: RunConfig,
        source: SampleSource,
        model: InstructSAMModel,
        processor: InstructSAMProcessor,
        criterion: Criterion,
        on_checkpoint: OnCheckpoint | None = None,
    ) -> None:
        self.config = config
        self.source = source
        self.processor = processor
        self.on_checkpoint = on_checkpoint
        # the direct and the written way of asking do not always reach the same parameters
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(cpu=config.device == "cpu", kwargs_handlers=[unused])
        self.device = self.accelerator.device
        self.bfloat16 = uses_bfloat16(config, self.device)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.plain_model = model.to(self.device).train()
        checkpointing.align(self.plain_model)
        reads = config.loss.reading > 0 and config.stage == "all"
        denoises = config.loss.denoising > 0 and config.stage != "eyes"
        trainable = Trainable(self.plain_model, self._attributes(), reads, denoises)
        self.trainable = trainable.to(self.device)
        self.trainable.freeze_unused(config.stage)
        self.criterion = criterion
        self.optimizer = build_optimizer(self.trainable, config.optim)
        self.average = start_average(self.plain_model) if config.optim.ema_decay else None
        self.model: Any = self.accelerator.prepare_model(self.trainable)
        self.step = 0
        self.instructions = 0
        self.seconds = 0.0
        self.stop_reason = ""
        self.saved_step = -1
        self.log = ProgressLog(
            config.folder / "log.jsonl",
            config.schedule.log_seconds,
            config.schedule.total_steps,
            writes=self.accelerator.is_main_process,
        )
        readers = self.trainable.perception
        start = config.model.path or config.model.take_from
        if readers is not None and start and not load_readers(readers, Path(start)):
            self.log.say(f"no readers beside {start}: the towers' readers start afresh")

    def _attributes(self) -> tuple[ObjectAttribute, ...]:
        """The attributes that the vision encoders learn to name, none without `loss.perception`."""
        if self.config.loss.perception and not self.source.attributes:
            raise ConfigError(
                f"loss.perception needs a source that knows the attributes of every object, and {self.source.name} "
                "does not: set loss.perception=0"
            )
        return self.source.attributes if self.config.loss.perception else ()

    @property
    def checkpoints(self) -> Path:
        """Where this run's checkpoints lie."""
        return self.config.folder / CHECKPOINTS

    def fit(self, resume: bool = False) -> Path:
        """Train to the end of the schedule or of the time box; returns the exported model's folder.

        Raises:
            TrainingInterrupted: a signal ended the run; its checkpoint is saved.
            WorkerLostError: a worker process ended; the checkpoint of a run of one process is saved.
        """
        torch.manual_seed(self.config.seed + self.accelerator.process_index)
        alone = self.accelerator.num_processes == 1
        with StopSignals(self._note_signal, patient=not alone) as stop:
            self._open_folder(resume)
            try:
                self._train()
            except WorkerLostError:
                if alone:
                    self._save_if_new()
                raise
            self._save_if_new()
            signalled = self._agree(bool(stop.received))
        if signalled:
            number = stop.received or signal.SIGTERM
            raise TrainingInterrupted(
                f"{signal.Signals(number).name} at step {self.step} of {self.config.schedule.total_steps}, checkpoint "
                f"saved in {self.config.folder}: repeat the command with --resume",
                number,
            )
        return self.config.folder / MODEL

    def _train(self) -> None:
        schedule = self.config.schedule
        started = time.monotonic()
        seconds_before = self.seconds
        deadline = started + schedule.max_minutes * 60 if schedule.max_minutes else math.inf
        next_save = started + schedule.checkpoint_minutes * 60
        self.log.start(self.step, self.instructions)
        for batch in self._stream():
            if boxed := time.monotonic() >= deadline:
                self.stop_reason = f"the time box of {schedule.max_minutes:g} minutes"
            stopping, lr, norm = self.train_step(batch)
            self.seconds = seconds_before + time.monotonic() - started
            last = stopping or self.step >= schedule.total_steps
            if self.log.due() or last:
                scalars = {"lr": lr, "gradient_norm": float(norm)}
                self.log.write(self.step, self.instructions, self.seconds, scalars)
            if last or self._agree(time.monotonic() >= next_save):
                self.save()
                next_save = time.monotonic() + schedule.checkpoint_minutes * 60
            if stopping:
                if boxed:
                    self.log.say(f"stopped at step {self.step} by {self.stop_reason}; --resume continues")
                break

    def _note_signal(self, number: int) -> None:
        self.stop_reason = signal.Signals(number).name

    def _save_if_new(self) -> None:
        if self.saved_step != self.step:
            self.save()

    def train_step(self, batch: TrainingBatch) -> tuple[bool, float, Tensor]:
        """One update. Returns whether any process wants to stop, the learning rate, the gradient norm.

        Raises:
            InstructSAMError: loss or gradient is not finite; the weights are left as they were.
        """
        config = self.config
        lr = set_learning_rate(self.optimizer, self.step, config.schedule.total_steps, config.optim)
        try:
            loss, parts = self._loss(batch)
        except InputError as error:  # the matcher refuses what is not finite
            raise InstructSAMError(f"step {self.step}: {error}; {self._after_divergence()}") from error
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        norm = clip_gradients(self.trainable.parameters(), config.optim.clip_norm)
        finite = bool(torch.isfinite(loss.detach()) & torch.isfinite(norm))
        bad, stop, asked = self._sum(not finite, bool(self.stop_reason), len(batch.direct))
        if bad:
            listed = ", ".join(f"{name} {float(value):.4g}" for name, value in parts.items())
            raise InstructSAMError(
                f"step {self.step}: loss or gradient is not finite ({listed}; gradient {float(norm):.4g}); "
                f"{self._after_divergence()}"
            )
        self.optimizer.step()
        if self.average:
            update_average(self.average, self.plain_model, config.optim.ema_decay)
        self.step += 1
        self.instructions += int(asked)
        self.log.add(mean_over_processes({"loss": loss.detach(), **parts}))
        return bool(stop), lr, norm

    def _after_divergence(self) -> str:
        exported = self.config.folder / MODEL
        start = f"model.path={exported}" if exported.is_dir() else "the same start"
        return (
            "resuming would repeat it: begin another run with a lower optim.lr or optim.clip_norm, another "
            f"output_dir and {start}"
        )

    def _loss(self, batch: TrainingBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward and criterion: the loss to differentiate, and its parts for the log."""
        config, inputs = self.config, batch.inputs.to(self.device)
        auxiliary = self.criterion.config.auxiliary_weight > 0
        position = (config.seed, batch.index, self.accelerator.process_index)
        detected = self._detected(batch, position)
        chosen = {} if detected is None else {"detected": detected.to(self.device)}
        every = batch.targets(self.device) if config.stage != "eyes" else []
        targets = every if detected is None else [every[index] for index in detected.tolist()]
        denoises = self.trainable.denoising is not None
        noised = noised_targets(targets, config.loss.denoising_groups, position) if denoises else None
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            output, cells, read = self.model(config.stage, auxiliary, noised, **inputs.as_kwargs(), **chosen)
        loss = torch.zeros((), device=self.device)
        parts: dict[str, Tensor] = {}
        if output is not None:
            # processes average their gradients: dividing by the mean number gives the gradient of one big batch
            num_targets, num_read = (
                count / self.accelerator.num_processes
                for count in self._sum(*(sum(len(t.masks) for t in some) for some in (targets, every)))
            )
            labels = inputs.labels if output.text_logits is not None else None
            result = self.criterion(output, targets, labels, num_targets)
            loss, parts = result.total, dict(result.parts)
            if self.accelerator.num_processes > 1:
                # the reducer of gradients waits for every output, also for those that no loss reads
                loss = loss + 0.0 * sum_of_outputs(output)
            if denoises:
                extra_loss, extra_parts = denoising_loss(self.criterion, output, result, noised, num_targets)
                loss = loss + config.loss.denoising * extra_loss
                parts |= extra_parts
            if read is not None:
                losses = reading_loss(read[0], read[1], every, num_read)
                loss = loss + config.loss.reading * torch.stack(list(losses.values())).sum()
                parts |= {name: value.detach() for name, value in losses.items()}
        if cells is not None:
            seen = perception_loss(cells, batch.truths(self.device), self.source.attributes)
            loss = loss + config.loss.perception * torch.stack(list(seen.values())).sum()
            parts |= {name: value.detach() for name, value in seen.items()}
        return loss, parts

    def _detected(self, batch: TrainingBatch, position: Sequence[int]) -> Tensor | None:
        """The phrases that the detector answers, None for all."""
        if self.config.stage != "all":
            return None
        return detected_phrases(len(batch.phrase_image), self.config.loss.detected, position)

    def save(self) -> Path:
        """Write checkpoint and exported model, then call back.

        Raises:
            InstructSAMError: they cannot be written, on a full disk say; what was there before stays.
        """
        try:
            self._write_checkpoint()
            if self.accelerator.is_main_process:
                self._export()
        except (OSError, SafetensorError, InputError) as error:
            if self.accelerator.is_main_process:
                checkpointing.discard_unfinished(self.checkpoints)
                discard_export(self.config.folder / MODEL)
            raise checkpointing.unwritable(self.checkpoints, self.step, error) from error
        self.saved_step = self.step
        self.accelerator.wait_for_everyone()
        return checkpointing.checkpoint_folder(self.checkpoints, self.step)

    def _write_checkpoint(self) -> None:
        tensors = {
            "model": checkpointing.model_tensors(self.trainable),
            "optimizer": checkpointing.optimizer_tensors(self.optimizer, self.trainable),
        }
        if self.average:
            tensors["ema"] = dict(self.average.module.named_parameters())
        meta = {
            "step": self.step,
            "instructions": self.instructions,
            "seconds": self.seconds,
            "processes": self.accelerator.num_processes,
            "ema_averaged": int(self.average.n_averaged) if self.average else 1,
            "data": {"name": self.source.name, "fingerprint": self.source.fingerprint},
        }
        rank, wait = self.accelerator.process_index, self.accelerator.wait_for_everyone
        keep = self.config.schedule.keep_checkpoints
        checkpointing.write_checkpoint(self.checkpoints, self.step, tensors, meta, keep, rank, wait)

    def restore(self, folder: Path) -> None:
        """Take over everything that a checkpoint holds."""
        checkpoint = checkpointing.read_checkpoint(folder, self.accelerator.process_index)
        processes = checkpoint.meta["processes"]
        if processes != self.accelerator.num_processes:
            raise ConfigError(
                f"{folder} was written by {processes} processes and this run has "
                f"{self.accelerator.num_processes}; resume with as many, or start anew with model.path=..."
            )
        data = checkpoint.meta.get("data", {"fingerprint": self.source.fingerprint})
        if data["fingerprint"] != self.source.fingerprint:
            raise ConfigError(
                f"{folder} was trained on other contents of {data['name']} than are there now: restore them, or start "
                "another run with model.path=... and another output_dir"
            )
        model, average = checkpointing.model_tensors(self.trainable), self.average
        checkpointing.copy_tensors(checkpoint.model, model, "model")
        checkpointing.load_optimizer_tensors(self.optimizer, self.trainable, checkpoint.optimizer)
        if average:
            # a run that averaged nothing before starts to average from its weights
            averaged: dict[str, Tensor] = dict(average.module.named_parameters())
            saved = checkpoint.ema or {name: model[f"model.{name}"] for name in averaged}
            checkpointing.copy_tensors(saved, averaged, "averaged weights")
            average.n_averaged.fill_(checkpoint.meta["ema_averaged"])
        self.step = checkpoint.meta["step"]
        self.instructions = checkpoint.meta["instructions"]
        self.seconds = checkpoint.meta["seconds"]
        checkpointing.set_rng_state(checkpoint.rng)

    def _open_folder(self, resume: bool) -> None:
        folder, main = self.config.folder, self.accelerator.is_main_process
        latest = checkpointing.latest_checkpoint(self.checkpoints) if resume else None
        if latest is not None:
            self.restore(latest)
            self.saved_step = self.step
        if main:
            folder.mkdir(parents=True, exist_ok=True)
            for key, old, new in changed_settings(self.config) if resume else ():
                if key == LENGTH:
                    self.log.say(f"{key} was {old} and is {new} from here on")
            store_settings(self.config)
            cut_log(self.log.path, self.step)
            if latest is not None and not export_is_current(folder):
                self.log.say(f"exporting step {self.step} again: the last export is of another one")
                self._export()
        self.accelerator.wait_for_everyone()
        size = sum(parameter.numel() for parameter in self.plain_model.parameters()) / 1e6
        processes, total = self.accelerator.num_processes, self.config.schedule.total_steps
        self.log.say(
            f"{'resuming' if resume else 'training'} {folder}: {size:.2f} M parameters, step {self.step} of "
            f"{total}, {processes} process{'' if processes == 1 else 'es'} on {self.device}"
        )

    def _stream(self) -> Iterator[TrainingBatch]:
        accelerator, config = self.accelerator, self.config
        rank, processes = accelerator.process_index, accelerator.num_processes
        dataset = TrainingBatches(self.source, self.processor, config.data, config.seed, rank, processes)
        return batches(dataset, self.step, config.schedule.total_steps)

    def _export(self) -> None:
        rng = checkpointing.rng_state()
        dtype, model = getattr(torch, self.config.schedule.export_dtype), self.plain_model
        state = (self.average.module if self.average else model).state_dict(keep_vars=True)
        record = checkpointing.checkpoint_record(checkpointing.checkpoint_folder(self.checkpoints, self.step))
        if self.trainable.perception is not None:
            save_readers(self.trainable.perception, self.config.folder)
        # the export comes last, for its record stands for all of it
        folder = export_model(self.config.folder / MODEL, model, self.processor, state, dtype, record)
        if self.on_checkpoint:
            self.on_checkpoint(folder, self.step)
        checkpointing.set_rng_state(rng)

    def _agree(self, wish: bool) -> bool:
        """Whether any process has the wish."""
        return bool(self._sum(float(wish))[0])

    def _sum(self, *values: float) -> list[float]:
        """Sums over processes."""
        if self.accelerator.num_processes == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(tensor)
        return [float(value) for value in tensor.tolist()]
