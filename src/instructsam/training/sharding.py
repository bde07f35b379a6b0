"""Weights that N processes share in shards (FSDP2, torch's `fully_shard`): sharding, gathering, and back into shards.

Every function works on ordinary tensors too, so that the rest of training does not know the difference.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer


def shard(model: nn.Module, device: torch.device) -> None:
    """Shard a module over all processes, in place: each transformer block by itself, and everything else together."""
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for module in list(model.modules()):
        if isinstance(module, GradientCheckpointingLayer):  # a transformer block
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)


def reach_all(model: nn.Module) -> Tensor:
    """Zero, as a function of every trained parameter that is whole in the forward pass.

    Processes whose batches reach different parameters would exchange gradients of different sizes. Transformer blocks
    are reached by every batch.
    """
    whole_ones = [p for p in model.parameters() if p.requires_grad and not isinstance(p, DTensor)]
    return torch.stack([parameter.flatten()[0].float() for parameter in whole_ones]).sum() * 0


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor; the same memory."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """A tensor with its values from all processes; every process must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gathered(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Whole tensors, in main memory where they were shards; every process must call this with the same names.

    Args:
        tensors: by name; names may share a tensor.
        keep: whether this process needs them; the others get nothing.
    """
    found: dict[str, Tensor] = {}
    by_id: dict[int, Tensor] = {}
    for name, tensor in tensors.items():
        if id(tensor) not in by_id:
            full = whole(tensor.detach()).cpu() if isinstance(tensor, DTensor) else tensor
            by_id[id(tensor)] = full if keep else full.new_empty(0)
        if keep:
            found[name] = by_id[id(tensor)]
    return found


def like(tensor: Tensor, target: Tensor) -> Tensor:
    """A whole tensor, alike on every process, sharded as `target` is."""
    if not isinstance(target, DTensor) or isinstance(tensor, DTensor):
        return tensor
    moved = tensor.to(target.device)
    return distribute_tensor(moved, target.device_mesh, target.placements, src_data_rank=None)
