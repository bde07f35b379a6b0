"""`compile: true`: the transformer blocks of a model compiled by `torch.compile`, which fuses their small kernels.

Blocks, not the whole model: equal blocks share one compilation, and what surrounds them may change its shapes. Sizes
that stay the same from step to step are compiled in; one that changes becomes symbolic at its second value, so that a
run compiles in its first steps alone.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from instructsam.model.instructsam import InstructSAMModel


def compiled_blocks(model: InstructSAMModel) -> list[nn.Module]:
    """All transformer blocks, and the modules that the detector names."""
    blocks = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    return [*blocks, *model.detector.blocks()]


def compile_blocks(model: InstructSAMModel, **options: Any) -> None:
    """Compile each block in place; names of parameters stay.

    Args:
        model: to compile.
        options: of `torch.compile`.
    """
    for block in compiled_blocks(model):
        block.compile(**options)
