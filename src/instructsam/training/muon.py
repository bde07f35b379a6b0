"""Muon: momentum whose direction is made orthogonal, for the matrices of hidden layers.

Source: K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); updates are scaled as in
"Muon is scalable for LLM training" (arXiv 2502.16982), so that learning rates mean what they mean to AdamW.

`torch.optim.Muon` takes the same steps, 17 times slower on a CPU without bfloat16 instructions
(`benchmarks/muon.py`): it computes in bfloat16 everywhere and updates one matrix after the other. Here the matrices
of one shape are multiplied together, and N processes share the work: each computes its part and sends it to the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from instructsam.training.precision import has_fast_bfloat16

# The quintic iteration's coefficients, chosen by its authors for the steepest start that still converges.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
EPSILON = 1e-7
RMS_OF_ADAMW = 0.2


class Muon(torch.optim.Optimizer):
    """Every process must hold the same gradients, as it does after they were averaged.

    Args:
        params: matrices, or groups of them.
        lr: learning rate, in AdamW's terms.
        weight_decay: decoupled, as AdamW's.
        momentum: decay of the running mean of gradients; Nesterov's form.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient; each group in a few calls for all its matrices."""
        groups: list[tuple[dict[str, Any], list[Tensor]]] = []
        directions: list[Tensor] = []
        for group in self.param_groups:
            parameters: list[Tensor] = [matrix for matrix in group["params"] if matrix.grad is not None]
            gradients = [matrix.grad for matrix in parameters if matrix.grad is not None]
            if not parameters:
                continue
            means = [self._mean(matrix) for matrix in parameters]
            torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
            directions += torch._foreach_lerp(gradients, means, group["momentum"])
            groups.append((group, parameters))
        updates = iter(orthogonal(directions))
        for group, parameters in groups:
            moves = [next(updates) for _ in parameters]
            scales = [-group["lr"] * RMS_OF_ADAMW * math.sqrt(max(matrix.shape)) for matrix in parameters]
            torch._foreach_mul_(moves, scales)
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(parameters, moves)

    def _mean(self, matrix: Tensor) -> Tensor:
        """The running mean of a matrix's gradients."""
        state = self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        mean: Tensor = state["momentum_buffer"]
        return mean


def orthogonal(matrices: list[Tensor]) -> list[Tensor]:
    """The nearest (half-)orthogonal matrix of each, approximately; in order, shared between processes.

    Args:
        matrices: floats [rows, columns] of any sizes, alike on every process.
    """
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    rank = dist.get_rank() if processes > 1 else 0
    shapes: dict[tuple[int, ...], list[int]] = {}
    for index, matrix in enumerate(matrices):
        shapes.setdefault(tuple(sorted(matrix.shape)), []).append(index)
    shares: list[list[int]] = [[] for _ in range(processes)]
    for members in shapes.values():
        for owner in range(processes):
            shares[owner] += members[owner::processes]
    results: dict[int, Tensor] = {}
    for members in shapes.values():
        mine = members[rank::processes]
        if mine:
            results.update(zip(mine, _orthogonal_alike([matrices[index] for index in mine]), strict=True))
    if processes > 1:
        _exchange(results, shares, matrices)
    return [results[index].to(matrix.dtype) for index, matrix in enumerate(matrices)]


def _orthogonal_alike(matrices: list[Tensor]) -> list[Tensor]:
    """`orthogonal` of matrices of one shape or its transpose; all are multiplied together."""
    high = [matrix.shape[0] > matrix.shape[1] for matrix in matrices]
    kinds = [
        [m for m, is_high in zip(matrices, high, strict=True) if is_high is kind] for kind in (False, True)
    ]
    wide = [torch.stack(kinds[0])] if kinds[0] else []
    wide += [torch.stack(kinds[1]).mT] if kinds[1] else []
    made = newton_schulz(torch.cat(wide)).to(matrices[0].dtype)
    flat, upright = made.split([len(kind) for kind in kinds])
    done = (iter(flat.unbind()), iter(upright.mT.contiguous().unbind()))
    return [next(done[is_high]) for is_high in high]


def newton_schulz(batch: Tensor) -> Tensor:
    """Five steps of the quintic Newton-Schulz iteration: [N, rows, columns] -> the same, in bfloat16.

    Computed in float32 where the device has no bfloat16 instructions. Fastest with no more rows than columns.
    """
    a, b, c = COEFFICIENTS
    dtype = torch.bfloat16 if has_fast_bfloat16(batch.device) else torch.float32
    x: Tensor = batch.to(dtype)
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=EPSILON)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        change = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, change, x, beta=a)
    return x.bfloat16()  # as rounded as the results of other processes


def _exchange(results: dict[int, Tensor], shares: list[list[int]], matrices: list[Tensor]) -> None:
    """Fill in what the other processes made."""
    sizes = [sum(matrices[index].numel() for index in share) for share in shares]
    rank, device = dist.get_rank(), matrices[0].device if matrices else torch.device("cpu")
    if not max(sizes):
        return
    own = torch.zeros(max(sizes), dtype=torch.bfloat16, device=device)
    if shares[rank]:
        own[: sizes[rank]] = torch.cat([results[index].flatten() for index in shares[rank]])
    gathered = [torch.empty_like(own) for _ in shares]
    dist.all_gather(gathered, own)
    for owner, share in enumerate(shares):
        if owner == rank:
            continue
        parts = gathered[owner][: sizes[owner]].split([matrices[index].numel() for index in share])
        results.update(
            {index: part.view(matrices[index].shape) for index, part in zip(share, parts, strict=True)}
        )
