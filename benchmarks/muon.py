"""Our Muon against torch's on the shipped default's matrices: `python benchmarks/muon.py [--steps N]`.

Both sides run in turn in one process, on copies of the same matrices with the same random gradients.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from pathlib import Path

import torch
from torch import nn

import instructsam
from instructsam.training.muon import Muon
from instructsam.training.optim import MuonWithAdamW, build_optimizer
from instructsam.training.precision import has_fast_bfloat16
from instructsam.training.settings import OptimSettings
from instructsam.training.start import open_model

DEFAULT = Path(instructsam.__file__).parent / "assets" / "default"


def matrices() -> list[nn.Parameter]:
    """The parameters of the shipped default that Muon updates in training."""
    model, _ = open_model(DEFAULT)
    optimizer = build_optimizer(model, OptimSettings(muon_lr=1e-3))
    if not isinstance(optimizer, MuonWithAdamW):
        raise TypeError(f"expected an optimizer with Muon, got {optimizer!r}")
    return [parameter for group in optimizer.parts[0].param_groups for parameter in group["params"]]


def copies(parameters: list[nn.Parameter]) -> list[nn.Parameter]:
    """The same matrices once more, each with a random gradient."""
    torch.manual_seed(0)
    copied = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    for parameter in copied:
        parameter.grad = torch.randn_like(parameter)
    return copied


def seconds(optimizer: torch.optim.Optimizer) -> float:
    """Duration of one update."""
    started = time.perf_counter()
    optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    parameters = matrices()
    sides = {
        "ours": Muon(copies(parameters), lr=1e-3),
        "torch": torch.optim.Muon(copies(parameters), lr=1e-3, adjust_lr_fn="match_rms_adamw"),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for step in range(given.steps + 2):
        for name, optimizer in sides.items():
            passed = seconds(optimizer)
            if step >= 2:
                times[name].append(passed)
    medians = {name: statistics.median(values) for name, values in times.items()}
    shapes = len({parameter.shape for parameter in parameters})
    size = sum(parameter.numel() for parameter in parameters) / 1e6
    fast = "with" if has_fast_bfloat16(torch.device("cpu")) else "without"
    print(f"{platform.machine()} {fast} bfloat16 instructions, 1 thread, torch {torch.__version__}")
    print(f"{len(parameters)} matrices of {shapes} shapes, {size:.1f} M parameters")
    for name, value in medians.items():
        print(f"{name:6} {1000 * value:8.1f} ms an update   {medians['torch'] / value:.2f} x torch")


if __name__ == "__main__":
    main()
