"""Parameter groups of AdamW and Muon, and the learning-rate schedule, a pure function of the step.

New probes on trained encoders learn faster at first: probes that are far off would undo in the encoders what those
have learned. Their learning rate is multiplied by `optim.new_probe_multiplier` for `NEW_PROBE_STEPS` steps, then falls
to the ordinary one within as many. A prefix in `optim.lr_multipliers` that names them replaces this.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from instructsam.errors import ConfigError
from instructsam.training.muon import Muon
from instructsam.training.settings import OptimSettings

MUON_SMALLEST_SIDE = 16  # narrower matrices are heads with a few outputs, not hidden layers
OUTPUT_LAYERS = ("lm_head", "objectives")
PROBES = "objectives."  # prefix of the objectives' parameters
NEW_PROBE_STEPS = 100  # enough for linear probes on trained encoders to fit


def learning_rate_factor(step: int, total_steps: int, settings: OptimSettings) -> float:
    """Share of the peak learning rate at a step (0 is the first one); 0 after warm-up of 0 never occurs.

    Steps past `total_steps` keep the final value.
    """
    warmup = settings.warmup(total_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    span = max(1, total_steps - warmup)
    progress = min(1.0, (step - warmup) / span)
    low = settings.final_fraction
    if settings.decay == "cosine":
        return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * progress))
    if settings.decay == "linear_tail":
        tail = max(settings.tail * total_steps, 1.0)
        left = min(1.0, max(0.0, total_steps - step) / tail)
        return low + (1.0 - low) * left
    return 1.0


def new_probe_factor(step: int, multiplier: float) -> float:
    """Factor on the learning rate of new probes at a step: `multiplier` at first, later 1."""
    left = min(1.0, max(0.0, 2.0 - step / NEW_PROBE_STEPS))
    return 1.0 + (multiplier - 1.0) * left


def set_learning_rate(
    optimizer: torch.optim.Optimizer,
    step: int,
    total_steps: int,
    settings: OptimSettings,
    new_probes: Collection[str] = (),
) -> float:
    """Give every group its learning rate for a step and return the one of multiplier 1.

    Args:
        optimizer: from `build_optimizer`.
        step: 0 is the first one.
        total_steps: of the run.
        settings: of the optimizer.
        new_probes: objectives whose probes are new on trained parts of the model.
    """
    lr = settings.lr * learning_rate_factor(step, total_steps, settings)
    for group in optimizer.param_groups:
        new = group["objective"] in new_probes
        factor = new_probe_factor(step, settings.new_probe_multiplier) if new else 1.0
        group["lr"] = lr * group["multiplier"] * factor
    return lr


class MuonWithAdamW(torch.optim.Optimizer):
    """Two optimizers behind one: Muon for the matrices of hidden layers, AdamW for everything else."""

    def __init__(self, muon: torch.optim.Optimizer, adamw: torch.optim.Optimizer) -> None:
        self.parts = (muon, adamw)
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let the parts work on this optimizer's groups and state."""
        first = 0
        for part in self.parts:
            count = len(part.param_groups)
            part.param_groups = self.param_groups[first : first + count]
            part.state = self.state
            first += count

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state dict of the same groups."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every parameter once."""
        for part in self.parts:
            part.step(closure)


def build_optimizer(
    model: nn.Module, settings: OptimSettings, rates: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """AdamW over the trainable parameters, with Muon for hidden matrices where `settings.muon_lr` is above 0.

    Biases, norms, embeddings and every other vector or learned query bank are not decayed: decay there pulls
    towards a meaningless zero.

    Args:
        model: the trainable module.
        settings: of the optimizer.
        rates: peak learning rate by parameter name, where it is not `settings.lr`.

    Raises:
        ConfigError: a prefix in `lr_multipliers` matches no parameter.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    for prefix in settings.lr_multipliers:
        if not any(name.startswith(prefix) for name, _ in named):
            raise ConfigError(
                f"optim.lr_multipliers: no trainable parameter starts with {prefix!r}; "
                f"the first parts are {', '.join(sorted({name.split('.')[0] for name, _ in named}))}"
            )
    undecayed = _undecayed(model)
    groups: dict[tuple[bool, float, float, str], list[nn.Parameter]] = {}
    for name, parameter in named:
        muon = settings.muon_lr > 0 and name not in undecayed and _is_hidden_matrix(name, parameter)
        chosen = _longest_prefix(name, settings.lr_multipliers)
        multiplier = 1.0 if chosen is None else settings.lr_multipliers[chosen]
        if rates and name in rates:
            multiplier *= rates[name] / settings.lr
        if muon:
            multiplier *= settings.muon_lr / settings.lr
        decay = 0.0 if name in undecayed else settings.weight_decay
        own = name.startswith(PROBES) and (chosen is None or not chosen.startswith(PROBES))
        objective = name.split(".")[1] if own else ""
        groups.setdefault((muon, multiplier, decay, objective), []).append(parameter)
    adamw = torch.optim.AdamW(
        _groups(groups, muon=False),
        lr=settings.lr,
        betas=(settings.betas[0], settings.betas[1]),
        eps=settings.eps,
        fused=True,
    )
    matrices = _groups(groups, muon=True)
    if not matrices:
        return adamw
    return MuonWithAdamW(Muon(matrices, lr=settings.muon_lr), adamw)


def _groups(
    groups: dict[tuple[bool, float, float, str], list[nn.Parameter]], muon: bool
) -> list[dict[str, Any]]:
    return [
        {"params": parameters, "multiplier": multiplier, "weight_decay": decay, "objective": objective}
        for (is_muon, multiplier, decay, objective), parameters in groups.items()
        if is_muon == muon
    ]


def _is_hidden_matrix(name: str, parameter: nn.Parameter) -> bool:
    parts = name.split(".")
    return (
        parameter.ndim == 2
        and min(parameter.shape) >= MUON_SMALLEST_SIDE
        and not any(layer in parts for layer in OUTPUT_LAYERS)
    )


def _undecayed(model: nn.Module) -> set[str]:
    """Names of parameters without decay: 1-d, embeddings, and banks that sit directly on a module."""
    names = {name for name, parameter in model.named_parameters() if parameter.ndim <= 1}
    for module_name, module in model.named_modules():
        layer = isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d)
        attention = isinstance(module, nn.MultiheadAttention)
        if not layer and not attention:
            for name, _ in module.named_parameters(recurse=False):
                names.add(f"{module_name}.{name}" if module_name else name)
    return names


def _longest_prefix(name: str, prefixes: Collection[str]) -> str | None:
    return max((prefix for prefix in prefixes if name.startswith(prefix)), key=len, default=None)
