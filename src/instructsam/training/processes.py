"""The processes of a run: how many there are, sums and means over all of them, and the model that they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor, nn

from instructsam.training.settings import RunConfig
from instructsam.training.sharding import shard, whole

# Processes wait for the first one while it validates or writes a checkpoint; NCCL's own limit of 10 minutes would end
# the run. A process that is gone is noticed at once, by the launcher or a closed connection.
LONGEST_WAIT = timedelta(hours=6)


class Processes:
    """One process's view of a run: a process on a CPU, one on a GPU, or N that share the model.

    Attributes:
        accelerator: of accelerate, which finds the device and starts the process group.
        rank, count: this process's number, and how many there are.
        device: of this process.
        is_main: whether this is the process that writes and logs.
        sharded: whether the processes share the weights in shards (`sharding`) in place of copies (DDP).
    """

    def __init__(self, config: RunConfig) -> None:
        # direct and generated phrases do not always reach the same parameters
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self.accelerator = Accelerator(
            cpu=config.device == "cpu",
            gradient_accumulation_steps=config.optim.gradient_accumulation_steps,
            log_with=list(config.trackers) or None,
            project_dir=Path(config.folder),
            kwargs_handlers=[unused, InitProcessGroupKwargs(timeout=LONGEST_WAIT)],
        )
        self.rank: int = self.accelerator.process_index
        self.count: int = self.accelerator.num_processes
        self.device: torch.device = self.accelerator.device
        self.is_main: bool = self.accelerator.is_main_process
        self.sharded = config.distributed == "fsdp2" and self.count > 1

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.count == 1

    def shared(self, model: nn.Module) -> Any:
        """The model as every process runs it, with gradients averaged over the processes."""
        if self.sharded:
            shard(model, self.device)
            return model
        return self.accelerator.prepare_model(model)

    def accumulate(self, model: Any) -> AbstractContextManager[Any]:
        """Around one of the batches of an update: gradients are exchanged with the last one."""
        context: AbstractContextManager[Any] = self.accelerator.accumulate(model)
        return context

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, divided by the batches of an update."""
        self.accelerator.backward(loss)

    def clip(self, parameters: Iterable[nn.Parameter], limit: float) -> Tensor:
        """Scale gradients down to a norm; the norm before."""
        return whole(self.accelerator.clip_grad_norm_(parameters, limit))

    def wait(self) -> None:
        """Return once every process has called this."""
        self.accelerator.wait_for_everyone()

    def sum(self, *values: float) -> list[float]:
        """Sums over all processes."""
        if self.alone:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        return [float(value) for value in self.accelerator.reduce(tensor, "sum").tolist()]

    def any(self, wish: bool) -> bool:
        """Whether any process has the wish."""
        return bool(self.sum(float(wish))[0])

    def mean(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """Means over all processes, which must hold the same names."""
        names: Sequence[str] = sorted(parts)  # the same order everywhere
        stacked = torch.stack([parts[name].to(self.device, torch.float32) for name in names])
        means = dict(zip(names, self.accelerator.reduce(stacked, "mean"), strict=True))
        return {name: means[name] for name in parts}
