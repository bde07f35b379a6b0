"""Exponential moving average of the weights, which is what a run exports; by `torch.optim.swa_utils`."""

from __future__ import annotations

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


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
    average.multi_avg_fn = get_ema_multi_avg_fn(min(decay, averaged / (9 + averaged)))
    average.update_parameters(model)
