"""An exponential moving average of the weights (Polyak and Juditsky 1992), the ones that are shipped."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps a float32 average of every parameter; buffers are taken as they are.

    The decay warms up as min(decay, (1 + n) / (10 + n)) after n updates, so that early weights are forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors: dict[str, Tensor] = {
            name: parameter.detach().float().clone() for name, parameter in model.named_parameters()
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the current weights."""
        decay = self.current_decay()
        self.updates += 1
        current = [parameter.detach().float() for _, parameter in model.named_parameters()]
        torch._foreach_lerp_(list(self.tensors.values()), current, 1.0 - decay)

    def current_decay(self) -> float:
        """The decay that the next update uses."""
        return min(self.decay, (1 + self.updates) / (10 + self.updates))

    def state_dict_for(self, model: nn.Module) -> dict[str, Tensor]:
        """The model's state dict, tied names included, with averages in place of its parameters."""
        name_of = {id(parameter): name for name, parameter in model.named_parameters()}
        state = model.state_dict(keep_vars=True)
        return {
            key: self.tensors[name_of[id(value)]] if id(value) in name_of else value.detach()
            for key, value in state.items()
        }
