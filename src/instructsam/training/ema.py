"""Exponential moving average of the trained weights, which is what a run exports."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from instructsam.training.sharding import local


class Average:
    """The average of a model's trainable parameters; of frozen ones there is nothing to average.

    Attributes:
        tensors: parameter name -> average.
        count: sets of weights averaged so far, the first one included.
    """

    def __init__(self, model: nn.Module) -> None:
        self.tensors = {name: parameter.detach().clone() for name, parameter in _trained(model).items()}
        self.count = 1

    def update(self, model: nn.Module, decay: float) -> None:
        """Move the average towards the current weights.

        The decay warms up as min(decay, n / (9 + n)) with n sets of weights averaged so far, so that early weights are
        forgotten.
        """
        if self.tensors:
            current = [local(parameter.detach()) for parameter in _trained(model).values()]
            move = get_ema_multi_avg_fn(min(decay, self.count / (9 + self.count)))
            move([local(tensor) for tensor in self.tensors.values()], current, None)
        self.count += 1

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """The state dict of the model with averaged weights; tied names share one tensor."""
        averaged = {id(parameter): self.tensors[name] for name, parameter in _trained(model).items()}
        return {
            name: averaged.get(id(tensor), tensor)
            for name, tensor in model.state_dict(keep_vars=True).items()
        }


def _trained(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
