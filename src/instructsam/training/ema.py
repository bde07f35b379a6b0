"""Exponential moving average of the weights, which is what a run exports: a `torch.optim.swa_utils.AveragedModel`."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def start_average(model: nn.Module) -> AveragedModel:
    """The average of one set of weights: those that the model has now."""
    average = AveragedModel(model)
    average.n_averaged.fill_(1)  # else torch would let the first update replace these weights
    return average


def update_average(average: AveragedModel, model: nn.Module, decay: float) -> None:
    """Move the average towards the current weights.

    The decay warms up as min(decay, n / (9 + n)) with n sets of weights averaged so far, so that early weights are
    forgotten. Buffers are copied.
    """
    averaged = int(average.n_averaged)
    weight = 1 - min(decay, averaged / (9 + averaged))
    mean, current = list(average.module.parameters()), [parameter.detach() for parameter in model.parameters()]
    with torch.no_grad():
        torch._foreach_lerp_(mean, current, weight)
        for kept, buffer in zip(average.module.buffers(), model.buffers(), strict=True):
            kept.copy_(buffer)
    average.n_averaged += 1
