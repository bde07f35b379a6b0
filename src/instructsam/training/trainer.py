"""The training loop: one process on a CPU, one on a GPU, or N by `python -m torch.distributed.run`.

One step: draw batches, forward, objectives, backward, clip, update, average. Everything that a resumed run needs is in
its checkpoint (`run_state`): weights, averages, optimizer and random state, and the step, which fixes the rest.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch

from instructsam.config import load_config
from instructsam.data.sources import SampleSource
from instructsam.errors import ConfigError, InputError
from instructsam.losses.criterion import Criterion
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.kernels import no_cudnn_attention
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.best_model import Validation
from instructsam.training.export import LAST, discard_best, trained_parts
from instructsam.training.optim import build_optimizer
from instructsam.training.parts import part_rates
from instructsam.training.precision import attention_kernel
from instructsam.training.preparation import prepare
from instructsam.training.probes import load_probes, new_on_trained_parts
from instructsam.training.processes import Processes
from instructsam.training.progress import NOTHING, ProgressLog, cut_log
from instructsam.training.run_folder import (
    LOG_FILE,
    NOTED,
    changed_settings,
    open_run_folder,
    store_settings,
)
from instructsam.training.run_source import OpenSource, open_run_source, with_length
from instructsam.training.run_state import OnCheckpoint, RunState
from instructsam.training.settings import RunConfig
from instructsam.training.start import check_start, model_name, open_model, start_model
from instructsam.training.stopping import StopSignals, TrainingInterrupted, lost_peers_reported
from instructsam.training.stream import TrainingBatches, WorkerLostError, batches
from instructsam.training.trackers import check_trackers, start_trackers
from instructsam.training.updates import Update, Updates
from instructsam.training.validation import OpenValidate, Validate


def run(
    config_path: str | Path | None,
    open_source: OpenSource,
    overrides: Sequence[str] = (),
    resume: bool = False,
    on_checkpoint: OnCheckpoint | None = None,
    open_validate: OpenValidate | None = None,
) -> Path:
    """Train with the settings of a YAML file and return the folder of the trained model.

    Args:
        config_path: a `RunConfig` as YAML; None for the defaults.
        open_source: opens the source of training samples that the configuration names.
        overrides: `key=value` pairs such as `optim.lr=1e-3`.
        resume: continue from the newest checkpoint of the run's folder, with the same settings.
        on_checkpoint: called in the main process at each checkpoint with the exported model's folder, step.
        open_validate: opens the validation that the configuration describes.

    Raises:
        ConfigError: the configuration is wrong, the folder already holds a run and `resume` is off, or the run to
            resume has other settings.
        InputError: the folder cannot be written, or another process is writing there.
        CheckpointError: the checkpoint to resume from is damaged or belongs to another model.
        TrainingInterrupted: a signal ended the run; its checkpoint is saved.
        InstructSAMError: the loss stopped being finite, the disk is full, or another process of the run is gone.
    """
    config = load_config(RunConfig, config_path, overrides)
    return run_config(config, open_source, resume, on_checkpoint, open_validate)


def run_config(
    config: RunConfig,
    open_source: OpenSource,
    resume: bool = False,
    on_checkpoint: OnCheckpoint | None = None,
    open_validate: OpenValidate | None = None,
) -> Path:
    """`run` with settings that are loaded already."""
    if config.validation.wanted and open_validate is None:
        raise ConfigError("validation is not available here: unset validation.source and validation.share")
    criterion = check_start(config)
    check_trackers(config)
    with open_run_folder(config, resume), lost_peers_reported():
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        exported = config.folder / LAST
        source = open_run_source(config, open_source)
        config = with_length(config, source)
        validate = open_validate(config) if open_validate and config.validation.wanted else None
        # a resumed run keeps the tokenizer and sizes that it began with; its weights come from the checkpoint
        if resume and exported.is_dir():
            model, processor = open_model(exported, attention_kernel(config))
        else:
            model, processor = start_model(
                config.model, source.texts, attention_kernel(config), source.phrases
            )
        return Trainer(config, source, model, processor, criterion, on_checkpoint, validate).fit(resume)


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
        validate: Validate | None = None,
    ) -> None:
        self.config = config
        self.processes = Processes(config)
        self.device = self.processes.device
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        self.trainable = prepare(config, source, model, criterion, self.processes)
        every, total = config.schedule.log_seconds, config.schedule.total_steps
        self.log = ProgressLog(config.folder / LOG_FILE, every, total, self.processes.is_main)
        start = model_name(config.model.path or config.model.init_from)
        new_probes = load_probes(self.trainable.objectives, Path(start)) if start else []
        shared = self.processes.shared(self.trainable)
        optimizer = build_optimizer(self.trainable, config.optim, part_rates(model, config.parts))
        self.state = RunState(
            config, source, processor, self.trainable, optimizer, self.processes, on_checkpoint
        )
        self.state.trained_parts = config.trained_parts
        if start:
            self._note_start(Path(start), new_probes)
        self.updates = Updates(config, self.processes, self.state, shared)
        self.stop_reason = ""
        self.validation = Validation(config, validate, self.state, self.log, self.processes)

    def _note_start(self, start: Path, new_probes: Sequence[str]) -> None:
        """Note which parts the run that made the model to start from has trained, and the probes that it lacks."""
        state = self.state
        ruled = {group["objective"] for group in state.optimizer.param_groups}
        found = new_on_trained_parts(self.trainable.objectives, new_probes, start)
        state.new_probes = [objective for objective in found if objective in ruled]
        state.trained_parts = sorted({*trained_parts(start), *self.config.trained_parts})
        for objective in new_probes:
            faster = " and learn faster at first" if objective in state.new_probes else ""
            self.log.say(f"no probes of {objective} beside {start}: they start from random weights{faster}")

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
        torch.manual_seed(self.config.seed + self.processes.rank)
        alone = self.processes.alone
        with StopSignals(self._note_signal, patient=not alone) as stop:
            self._open_folder(resume)
            with start_trackers(self.processes.accelerator, self.config), self.log.bar():
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
            if report := self.state.skips.report():
                self.log.say(report)
            self._say_cached()
            signalled = self.processes.any(bool(stop.received))
        if signalled:
            number = stop.received or signal.SIGTERM
            raise TrainingInterrupted(
                f"{signal.Signals(number).name} at step {self.step} of {self.config.schedule.total_steps}, checkpoint "
                f"saved in {self.config.folder}: repeat the command with --resume",
                number,
            )
        return self.config.folder / LAST

    def _say_cached(self) -> None:
        for cache in self.trainable.encode_images.caches:
            full = f", {cache.left_out} not stored: the folder has no room" if cache.left_out else ""
            self.log.say(f"{cache.folder}: {cache.found} features found, {cache.computed} computed{full}")

    def _train(self) -> None:
        schedule, state = self.config.schedule, self.state
        started = time.monotonic()
        seconds_before = state.seconds
        deadline = started + schedule.max_minutes * 60 if schedule.max_minutes else math.inf
        next_save = started + schedule.checkpoint_minutes * 60
        self.log.start(self.step, state.instructions)
        if self.validation.start(self._is_stopping):
            return
        for drawn in self._stream():
            if boxed := time.monotonic() >= deadline:
                self.stop_reason = f"the time box of {schedule.max_minutes:g} minutes"
            update = self.train_step(drawn)
            state.seconds = seconds_before + time.monotonic() - started
            self.log.tick(self.step)
            last = update.stop or self.step >= schedule.total_steps
            if self.log.due() or last:
                scalars = {"lr": update.lr, "gradient_norm": float(update.gradient_norm)}
                if self.config.data.on_error == "skip":
                    scalars["skipped"] = state.skips.total
                line = self.log.write(self.step, state.instructions, state.seconds, scalars)
                self.processes.accelerator.log(line, self.step)
            ended = not update.stop and self.validation.after_step(self._is_stopping)
            if last or ended or self.processes.any(time.monotonic() >= next_save):
                state.save()
                next_save = time.monotonic() + schedule.checkpoint_minutes * 60
            if update.stop:
                if boxed:
                    self.log.say(f"stopped at step {self.step} by {self.stop_reason}; --resume continues")
                break
            if ended:
                break

    def _is_stopping(self) -> bool:
        return bool(self.stop_reason)

    def _note_signal(self, number: int) -> None:
        self.stop_reason = signal.Signals(number).name

    def train_step(self, drawn: Sequence[TrainingBatch]) -> Update:
        """One update from `optim.gradient_accumulation_steps` batches; see `Updates.run`."""
        update = self.updates.run(drawn, bool(self.stop_reason))
        self.log.add(update.parts)
        self.state.skips.name(message for batch in drawn for message in batch.skipped)
        self.state.skips.add(update.samples, update.skipped)
        return update

    def _open_folder(self, resume: bool) -> None:
        folder, state = self.config.folder, self.state
        restored = resume and state.restore_latest()
        if self.processes.is_main:
            folder.mkdir(parents=True, exist_ok=True)
            for key, old, new in changed_settings(self.config) if resume else ():
                if key in NOTED:
                    self.log.say(f"{key} was {old} and is {new} from here on")
            store_settings(self.config)
            cut_log(self.log.path, self.step if resume else NOTHING)
            if not resume:
                discard_best(folder)
        if self.processes.any(restored and self.processes.is_main and not state.export_is_current()):
            self.log.say(f"exporting step {self.step} again: the last export is of another one")
            state.export()
        self.processes.wait()
        size = sum(parameter.numel() for parameter in self.trainable.model.parameters()) / 1e6
        processes, total = self.processes.count, self.config.schedule.total_steps
        self.log.say(
            f"{'resuming' if resume else 'training'} {folder}: {size:.2f} M parameters, step {self.step} of "
            f"{total}, {processes} process{'' if processes == 1 else 'es'} on {self.device}"
        )

    def _stream(self) -> Iterator[list[TrainingBatch]]:
        """The batches of each remaining step."""
        config, state, each = self.config, self.state, self.config.optim.gradient_accumulation_steps
        rank, processes = self.processes.rank, self.processes.count
        sizes = OutputSizes.of(self.trainable.model, self.trainable.criterion.config.target_resize)
        parts = (state.source, state.processor, sizes)
        place = (rank, processes, state.samples_drawn)
        dataset = TrainingBatches(*parts, config.data, config.seed, *place)
        stream = batches(dataset, 0, (config.schedule.total_steps - self.step) * each)
        return iter(lambda: list(islice(stream, each)), [])
