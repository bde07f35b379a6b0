"""Tensors of a run by name: weights and optimizer state, for its checkpoints and back. No files."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instructsam.errors import CheckpointError
from instructsam.training.sharding import like


def model_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers, each tensor once even if several names share it."""
    tensors: dict[str, Tensor] = {name: parameter.detach() for name, parameter in model.named_parameters()}
    persistent = model.state_dict().keys()
    tensors.update({name: buffer for name, buffer in model.named_buffers() if name in persistent})
    return tensors


def frozen_names(model: nn.Module) -> set[str]:
    """Names of the parameters that no update changes."""
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


@torch.no_grad()
def copy_tensors(source: dict[str, Tensor], target: dict[str, Tensor], name: str) -> None:
    """Copy by name, in place.

    Args:
        source: tensors of a checkpoint.
        target: tensors of this run.
        name: of the group of tensors, for messages.

    Raises:
        CheckpointError: names or shapes differ.
    """
    missing, unknown = sorted(target.keys() - source.keys()), sorted(source.keys() - target.keys())
    if missing or unknown:
        raise CheckpointError(
            f"the checkpoint's {name} belongs to another model: {len(missing)} tensors missing "
            f"({', '.join(missing[:3])}), {len(unknown)} unknown ({', '.join(unknown[:3])}); "
            "resume with the configuration that the run was started with"
        )
    for key, tensor in target.items():
        if tensor.shape != source[key].shape:
            raise CheckpointError(
                f"the checkpoint's {name} has shape {tuple(source[key].shape)} for {key}, expected "
                f"{tuple(tensor.shape)}; resume with the configuration that the run was started with"
            )
        tensor.copy_(like(source[key], tensor))


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """The optimizer's state as `PARAMETER|KEY` -> tensor."""
    return {
        f"{name}|{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def load_optimizer_tensors(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: dict[str, Tensor]
) -> None:
    """Restore the state that `optimizer_tensors` returned.

    Raises:
        CheckpointError: it names a parameter that `optimizer` does not train.
    """
    parameters = dict(model.named_parameters())
    numbers = {
        id(parameter): number
        for number, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"])
    }
    state: dict[int, dict[str, Tensor]] = {}
    for full_name, tensor in tensors.items():
        name, _, key = full_name.rpartition("|")
        parameter = parameters.get(name)
        if parameter is None or id(parameter) not in numbers:
            raise CheckpointError(
                f"the checkpoint's optimizer state names {name!r}, which this run does not train; "
                "resume with the configuration that the run was started with"
            )
        # a copy of its own: PyTorch keeps CPU tensors as they are, and a file's lie at odd addresses
        own = tensor.clone()
        state.setdefault(numbers[id(parameter)], {})[key] = (
            like(own, parameter) if own.shape == parameter.shape else own
        )
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


@torch.no_grad()
def align(model: nn.Module) -> None:
    """Give every parameter and buffer memory of its own.

    Tensors of a safetensors file lie wherever the file has them. Kernels split such rows differently, so that the
    same numbers at another address give other sums: a resumed run would drift from an unbroken one.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()
