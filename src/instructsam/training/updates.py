"""One update of the weights: the gradients of some batches, checks, clipping, optimizer and average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from instructsam.errors import InputError, InstructSAMError
from instructsam.training.batch import TrainingBatch
from instructsam.training.counts import shared_divisors
from instructsam.training.export import LAST
from instructsam.training.objectives import Step
from instructsam.training.optim import set_learning_rate
from instructsam.training.processes import Processes
from instructsam.training.run_state import RunState
from instructsam.training.settings import RunConfig


@dataclass(frozen=True)
class Update:
    """The result of one update.

    Attributes:
        stop: whether any process wants to stop.
        lr: learning rate of multiplier 1.
        gradient_norm: before clipping.
        parts: the loss and its parts: means over all processes and their batches, which are those of one big batch.
        samples: drawn by all processes.
        skipped: samples of all processes that could not be used.
    """

    stop: bool
    lr: float
    gradient_norm: Tensor
    parts: dict[str, Tensor]
    samples: int
    skipped: int


class Updates:
    """Makes the updates of a run.

    Args:
        config: of the run.
        processes: of the run.
        state: which the updates change.
        model: `state.trainable` as the processes share it.
    """

    def __init__(self, config: RunConfig, processes: Processes, state: RunState, model: Any) -> None:
        self.config = config
        self.processes = processes
        self.state = state
        self.model = model

    def run(self, drawn: Sequence[TrainingBatch], stop: bool = False) -> Update:
        """One update from `optim.gradient_accumulation_steps` batches.

        Args:
            drawn: the batches.
            stop: whether this process wants to stop after it.

        Raises:
            InstructSAMError: loss or gradient is not finite; the weights are left as they were.
        """
        config, state, processes = self.config, self.state, self.processes
        total_steps = config.schedule.total_steps
        lr = set_learning_rate(state.optimizer, state.step, total_steps, config.optim, state.new_probes)
        state.optimizer.zero_grad(set_to_none=True)
        try:
            parts = self._backward(drawn)
        except InputError as error:  # the matcher refuses what is not finite
            raise InstructSAMError(f"step {state.step}: {error}; {self._after_divergence()}") from error
        norm = processes.clip(state.trainable.parameters(), config.optim.clip_norm or math.inf)
        finite = bool(torch.isfinite(parts["loss"]) & torch.isfinite(norm))
        instructions = sum(len(batch.direct) for batch in drawn)
        skipped = sum(len(batch.skipped) for batch in drawn)
        bad, any_stop, instructions_of_all, skipped_by_all = processes.sum(
            not finite, stop, instructions, skipped
        )
        if bad:
            listed = ", ".join(f"{name} {float(value):.4g}" for name, value in parts.items())
            raise InstructSAMError(
                f"step {state.step}: loss or gradient is not finite ({listed}; gradient {float(norm):.4g}); "
                f"{self._after_divergence()}"
            )
        state.optimizer.step()
        state.update_average()
        state.step += 1
        state.instructions += int(instructions_of_all)
        samples = processes.count * len(drawn) * config.data.images_per_batch
        state.samples_drawn += samples
        return Update(bool(any_stop), lr, norm, processes.mean(parts), samples, int(skipped_by_all))

    def _backward(self, drawn: Sequence[TrainingBatch]) -> dict[str, Tensor]:
        """Add up the gradients of some batches; the mean of their losses and its parts."""
        steps = self._steps(drawn)
        sums: dict[str, Tensor] = {}
        for step in steps:
            with self.processes.accumulate(self.model):
                loss, parts = self.model(step)
                self.processes.backward(loss)
            for name, value in parts.items():
                sums[name] = sums[name] + value if name in sums else value
        return sums if len(steps) == 1 else {name: value / len(steps) for name, value in sums.items()}

    def _steps(self, drawn: Sequence[TrainingBatch]) -> list[Step]:
        """The batches on their device, with the divisors of their losses."""
        processes = self.processes
        prepare = self.state.trainable.prepare
        steps = [prepare(batch, processes.device, position_of(self.config, batch.index)) for batch in drawn]
        divisors = shared_divisors([step.counts for step in steps], processes.sum)
        return [replace(step, divisors=divisors) for step in steps]

    def _after_divergence(self) -> str:
        exported = self.config.folder / LAST
        start = f"model.path={exported}" if exported.is_dir() else "the same start"
        return (
            "resuming would repeat it: begin another run with a lower optim.lr or optim.clip_norm, another "
            f"output_dir and {start}"
        )


def position_of(config: RunConfig, first_sample: int) -> tuple[int, int, int]:
    """The numbers that the random choices in a batch depend on: the seed, and the batch's number in the stream.

    Whichever process draws a batch, its choices are the same. The last number is always 0; it was the process.
    """
    return config.seed, first_sample // config.data.images_per_batch, 0
