"""The training loop: one process on a CPU, one on a GPU, or N by `python -m torch.distributed.run`.

One step: draw batches, forward, objectives, backward, clip, update, average. Everything that a resumed run needs is in
its checkpoint (`run_state`): weights, averages, optimizer and random state, and the step, which fixes the rest.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor

from instructsam.config import load_config
from instructsam.data.sources import SampleSource
from instructsam.errors import InputError, InstructSAMError
from instructsam.losses.criterion import Criterion
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.kernels import no_cudnn_attention
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training import state_tensors
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.ema import update_average
from instructsam.training.export import MODEL, trained_parts
from instructsam.training.objectives import ObjectiveContext, Step
from instructsam.training.optim import build_optimizer, set_learning_rate
from instructsam.training.precision import attention_kernel, uses_bfloat16
from instructsam.training.probes import load_probes, new_on_trained_parts
from instructsam.training.progress import ProgressLog, cut_log
from instructsam.training.run_folder import NOTED, changed_settings, open_run_folder, store_settings
from instructsam.training.run_source import OpenSource, open_run_source
from instructsam.training.run_state import OnCheckpoint, RunState
from instructsam.training.settings import RunConfig
from instructsam.training.stage_table import STAGES
from instructsam.training.start import check_start, open_model, start_model
from instructsam.training.stopping import StopSignals, TrainingInterrupted, lost_peers_reported
from instructsam.training.stream import TrainingBatches, WorkerLostError, batches
from instructsam.training.trackers import check_trackers, start_trackers
from instructsam.training.trainable import Trainable


def run(
    config_path: str | Path | None,
    open_source: OpenSource,
    overrides: Sequence[str] = (),
    resume: bool = False,
    on_checkpoint: OnCheckpoint | None = None,
) -> Path:
    """Train with the settings of a YAML file and return the folder of the trained model.

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
    check_trackers(config)
    with open_run_folder(config, resume), lost_peers_reported():
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        exported = config.folder / MODEL
        source = open_run_source(config, open_source)
        # a resumed run keeps the tokenizer and sizes that it began with; its weights come from the checkpoint
        if resume and exported.is_dir():
            model, processor = open_model(exported, attention_kernel(config))
        else:
            model, processor = start_model(config.model, source.texts, attention_kernel(config))
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
        # direct and generated phrases do not always reach the same parameters
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(
            cpu=config.device == "cpu",
            gradient_accumulation_steps=config.optim.gradient_accumulation_steps,
            log_with=list(config.trackers) or None,
            project_dir=config.folder,
            kwargs_handlers=[unused],
        )
        self.device = self.accelerator.device
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        model = model.to(self.device).train()
        state_tensors.align(model)
        context = ObjectiveContext(model, criterion, config.loss, source.attributes, source.name)
        stage, bfloat16 = STAGES[config.stage], uses_bfloat16(config, self.device)
        trainable = Trainable(context, stage, stage.weights(config.loss.objectives), bfloat16)
        self.trainable = trainable.to(self.device)
        self.trainable.freeze_untrained()
        optimizer = build_optimizer(self.trainable, config.optim)
        accelerator = self.accelerator
        self.state = RunState(
            config, source, processor, self.trainable, optimizer, accelerator, on_checkpoint
        )
        self.model: Any = accelerator.prepare_model(self.trainable)
        self.stop_reason = ""
        every, total = config.schedule.log_seconds, config.schedule.total_steps
        self.log = ProgressLog(config.folder / "log.jsonl", every, total, accelerator.is_main_process)
        self._load_probes()

    def _load_probes(self) -> None:
        """Load the probes of the run that made the model to start from, and note those that are new."""
        state, stage = self.state, STAGES[self.config.stage]
        name = self.config.model.path or self.config.model.init_from
        if not name:
            state.trained_parts = stage.trained
            return
        start = Path(name)
        new = load_probes(self.trainable.objectives, start)
        ruled = {group["objective"] for group in state.optimizer.param_groups}
        found = new_on_trained_parts(self.trainable.objectives, new, start)
        state.new_probes = [objective for objective in found if objective in ruled]
        state.trained_parts = sorted({*trained_parts(start), *stage.trained})
        for objective in new:
            faster = " and learn faster at first" if objective in state.new_probes else ""
            self.log.say(f"no probes of {objective} beside {name}: they start from random weights{faster}")

    @property
    def step(self) -> int:
        """Updates done so far."""
        return self.state.step

    @no_cudnn_attention()
    def fit(self, resume: bool = False) -> Path:
        """Train to the end of the schedule or of the time box; returns the exported model's folder.

        Raises:
            TrainingInterrupted: a signal ended the run; its checkpoint is saved.
            InputError: a sample cannot be used; the checkpoint of a run of one process is saved.
            WorkerLostError: a worker process ended; the checkpoint of a run of one process is saved.
        """
        torch.manual_seed(self.config.seed + self.accelerator.process_index)
        alone = self.accelerator.num_processes == 1
        with StopSignals(self._note_signal, patient=not alone) as stop:
            self._open_folder(resume)
            with start_trackers(self.accelerator, self.config):
                try:
                    self._train()
                except WorkerLostError:
                    if alone:
                        self.state.save_if_new()
                    raise
                except InputError:  # a sample that cannot be used
                    if alone and self.step:
                        self.state.save_if_new()
                    raise
            self.state.save_if_new()
            signalled = self._any(bool(stop.received))
        if signalled:
            number = stop.received or signal.SIGTERM
            raise TrainingInterrupted(
                f"{signal.Signals(number).name} at step {self.step} of {self.config.schedule.total_steps}, checkpoint "
                f"saved in {self.config.folder}: repeat the command with --resume",
                number,
            )
        return self.config.folder / MODEL

    def _train(self) -> None:
        schedule, state = self.config.schedule, self.state
        started = time.monotonic()
        seconds_before = state.seconds
        deadline = started + schedule.max_minutes * 60 if schedule.max_minutes else math.inf
        next_save = started + schedule.checkpoint_minutes * 60
        self.log.start(self.step, state.instructions)
        for drawn in self._stream():
            if boxed := time.monotonic() >= deadline:
                self.stop_reason = f"the time box of {schedule.max_minutes:g} minutes"
            stopping, lr, norm = self.train_step(drawn)
            state.seconds = seconds_before + time.monotonic() - started
            last = stopping or self.step >= schedule.total_steps
            if self.log.due() or last:
                scalars = {"lr": lr, "gradient_norm": float(norm)}
                line = self.log.write(self.step, state.instructions, state.seconds, scalars)
                self.accelerator.log(line, self.step)
            if last or self._any(time.monotonic() >= next_save):
                state.save()
                next_save = time.monotonic() + schedule.checkpoint_minutes * 60
            if stopping:
                if boxed:
                    self.log.say(f"stopped at step {self.step} by {self.stop_reason}; --resume continues")
                break

    def _note_signal(self, number: int) -> None:
        self.stop_reason = signal.Signals(number).name

    def train_step(self, drawn: Sequence[TrainingBatch]) -> tuple[bool, float, Tensor]:
        """One update from `optim.gradient_accumulation_steps` batches.

        Returns:
            Whether any process wants to stop, the learning rate, the gradient norm.

        Raises:
            InstructSAMError: loss or gradient is not finite; the weights are left as they were.
        """
        config, state = self.config, self.state
        total_steps = config.schedule.total_steps
        lr = set_learning_rate(state.optimizer, self.step, total_steps, config.optim, state.new_probes)
        state.optimizer.zero_grad(set_to_none=True)
        try:
            parts = self._backward(drawn)
        except InputError as error:  # the matcher refuses what is not finite
            raise InstructSAMError(f"step {self.step}: {error}; {self._after_divergence()}") from error
        limit = config.optim.clip_norm or math.inf
        norm: Tensor = self.accelerator.clip_grad_norm_(self.trainable.parameters(), limit)
        finite = bool(torch.isfinite(parts["loss"]) & torch.isfinite(norm))
        instructions = sum(len(batch.direct) for batch in drawn)
        bad, stop, instructions_of_all = self._sum(not finite, bool(self.stop_reason), instructions)
        if bad:
            listed = ", ".join(f"{name} {float(value):.4g}" for name, value in parts.items())
            raise InstructSAMError(
                f"step {self.step}: loss or gradient is not finite ({listed}; gradient {float(norm):.4g}); "
                f"{self._after_divergence()}"
            )
        state.optimizer.step()
        if state.average:
            update_average(state.average, self.trainable.model, config.optim.ema_decay)
        state.step += 1
        state.instructions += int(instructions_of_all)
        state.samples_drawn += self.accelerator.num_processes * len(drawn) * config.data.images_per_batch
        self.log.add(self._mean_over_processes(parts))
        return bool(stop), lr, norm

    def _backward(self, drawn: Sequence[TrainingBatch]) -> dict[str, Tensor]:
        """Add up the gradients of some batches; the mean of their losses and its parts."""
        steps = self._steps(drawn)
        sums: dict[str, Tensor] = {}
        for step in steps:
            with self.accelerator.accumulate(self.model):
                loss, parts = self.model(step)
                self.accelerator.backward(loss)
            for name, value in parts.items():
                sums[name] = sums[name] + value if name in sums else value
        return {name: value / len(steps) for name, value in sums.items()}

    def _steps(self, drawn: Sequence[TrainingBatch]) -> list[Step]:
        """The batches on their device, with the number of targets that their losses are divided by."""
        seed, process = self.config.seed, self.accelerator.process_index
        steps = [self.trainable.prepare(batch, self.device, (seed, batch.index, process)) for batch in drawn]
        detected = sum(count for step in steps for count in step.targets.counts)
        every = sum(count for step in steps for count in step.all_targets.counts)
        share = self.accelerator.num_processes * len(steps)
        number, number_of_all = (count / share for count in self._sum(detected, every))
        return [replace(step, num_targets=number, num_all_targets=number_of_all) for step in steps]

    def _after_divergence(self) -> str:
        exported = self.config.folder / MODEL
        start = f"model.path={exported}" if exported.is_dir() else "the same start"
        return (
            "resuming would repeat it: begin another run with a lower optim.lr or optim.clip_norm, another "
            f"output_dir and {start}"
        )

    def _open_folder(self, resume: bool) -> None:
        folder, state = self.config.folder, self.state
        restored = resume and state.restore_latest()
        if self.accelerator.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            for key, old, new in changed_settings(self.config) if resume else ():
                if key in NOTED:
                    self.log.say(f"{key} was {old} and is {new} from here on")
            store_settings(self.config)
            cut_log(self.log.path, self.step)
            if restored and not state.export_is_current():
                self.log.say(f"exporting step {self.step} again: the last export is of another one")
                state.export()
        self.accelerator.wait_for_everyone()
        size = sum(parameter.numel() for parameter in self.trainable.model.parameters()) / 1e6
        processes, total = self.accelerator.num_processes, self.config.schedule.total_steps
        self.log.say(
            f"{'resuming' if resume else 'training'} {folder}: {size:.2f} M parameters, step {self.step} of "
            f"{total}, {processes} process{'' if processes == 1 else 'es'} on {self.device}"
        )

    def _stream(self) -> Iterator[list[TrainingBatch]]:
        """The batches of each remaining step."""
        config, state, each = self.config, self.state, self.config.optim.gradient_accumulation_steps
        rank, processes = self.accelerator.process_index, self.accelerator.num_processes
        sizes = OutputSizes.of(self.trainable.model, self.trainable.criterion.config.target_resize)
        parts = (state.source, state.processor, sizes)
        place = (rank, processes, state.samples_drawn)
        dataset = TrainingBatches(*parts, config.data, config.seed, *place)
        stream = batches(dataset, 0, (config.schedule.total_steps - self.step) * each)
        return iter(lambda: list(islice(stream, each)), [])

    def _mean_over_processes(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """Loss parts averaged over all processes; every process must hold the same names."""
        names = sorted(parts)  # the same order everywhere
        stacked = torch.stack([parts[name].to(self.device, torch.float32) for name in names])
        means = dict(zip(names, self.accelerator.reduce(stacked, "mean"), strict=True))
        return {name: means[name] for name in parts}

    def _any(self, wish: bool) -> bool:
        """Whether any process has the wish."""
        return bool(self._sum(float(wish))[0])

    def _sum(self, *values: float) -> list[float]:
        """Sums over processes."""
        if self.accelerator.num_processes == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        return [float(value) for value in self.accelerator.reduce(tensor, "sum").tolist()]
