"""A rough estimate of the memory of a training process, from the sizes of the model alone."""

from __future__ import annotations

import math
import os

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.settings import ProcessorSettings
from instructsam.training.lora import is_adapter_parameter
from instructsam.training.part_settings import Part
from instructsam.training.parts import parts_by_name
from instructsam.training.precision import uses_bfloat16
from instructsam.training.settings import RunConfig

GIGABYTE = 1e9
TEXT_TOKENS = 48  # of an instruction and its reply, besides the query block
CHECKPOINTED = (
    0.1  # of the states are kept where blocks are computed again: one of about twelve, and one whole block
)
UPSTREAM: dict[Part, tuple[Part, ...]] = {
    "vlm_vision": (),
    "language_model": ("vlm_vision", "word_embeddings", "instance_queries"),
    "projectors": ("vlm_vision", "word_embeddings", "instance_queries", "language_model"),
    "detector_vision": (),
    "detector": (
        "vlm_vision", "word_embeddings", "instance_queries", "language_model", "projectors", "detector_vision",
    ),
}  # fmt: skip
"""The parts that feed a part: where one of them is trained, its gradients pass through the part."""


def memory_estimate(config: RunConfig, model: InstructSAMModel) -> dict[str, float]:
    """Bytes by purpose of one process; activations to within a factor of two.

    Args:
        config: of the run.
        model: without weights, with adapters.
    """
    parts = parts_by_name(model)
    trained = own = matrices = 0
    for name, parameter in model.named_parameters():
        own += parameter.numel()
        if is_adapter_parameter(name) or parts[name] in config.trained_in_full:
            trained += parameter.numel()
            matrices += parameter.numel() if parameter.ndim == 2 and config.optim.muon_lr else 0
    shards = int(os.environ.get("WORLD_SIZE", "1")) if config.distributed == "fsdp2" else 1
    return {
        "weights": 4.0 * own / shards,
        "gradients": 4.0 * trained / shards,
        "optimizer": (8.0 * trained - 4.0 * matrices) / shards,
        "averaged weights": 4.0 * trained / shards if config.optim.ema_decay else 0.0,
        "activations": _activations(config, model, parts),
    }


def _activations(config: RunConfig, model: InstructSAMModel, parts: dict[str, Part]) -> float:
    """Inputs and outputs of every linear layer that gradients pass through, and the logits of the text."""
    tokens = _tokens(config, model)
    trained = set(config.trained_parts)
    wanted = config.gradient_checkpointing
    blocks = tuple(
        f"{name}."
        for name, m in model.named_modules()
        if wanted and isinstance(m, GradientCheckpointingLayer)
    )
    values = 0.0
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        weight = f"{name}.base_layer.weight" if f"{name}.base_layer.weight" in parts else f"{name}.weight"
        part = parts.get(weight, "language_model")  # a head that is tied to the token table is listed there
        if part not in tokens or not trained & {part, *UPSTREAM[part]}:
            continue
        if module is model.lm_head:
            values += 2.0 * _text_tokens(config) * module.out_features
            continue
        kept = CHECKPOINTED if name.startswith(blocks) else 1.0
        values += kept * tokens[part] * (module.in_features + module.out_features)
    gpu = config.device == "auto" and torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    return values * (2.0 if uses_bfloat16(config, device) else 4.0)


def _text_tokens(config: RunConfig) -> int:
    data = config.data
    return data.images_per_batch * data.instructions_per_image * TEXT_TOKENS


def _tokens(config: RunConfig, model: InstructSAMModel) -> dict[Part, float]:
    """Tokens of a batch in each part; images are taken at their largest size."""
    data, sizes = config.data, ProcessorSettings.from_config(model.config)
    images, phrases = data.images_per_batch, data.images_per_batch * data.instructions_per_image
    patches = sizes.max_pixels / sizes.patch_size**2
    grid = float(_detector_cells(model))
    return {
        "vlm_vision": images * patches,
        # the instructions about one image share its tokens
        "language_model": images * patches / sizes.merge_size**2
        + _text_tokens(config)
        + phrases * sizes.num_queries,
        "projectors": float(phrases * (sizes.num_queries + TEXT_TOKENS)),
        "detector_vision": images * grid,
        "detector": phrases * grid,
    }


def _detector_cells(model: InstructSAMModel) -> int:
    """Cells of the detector's image features, at the scale of its encoder."""
    config = model.config
    backbone = getattr(getattr(config.detector_config, "vision_config", None), "backbone_config", None)
    patch = getattr(backbone, "patch_size", 16)
    cells: int = math.ceil(config.image_size / patch) ** 2
    return cells
