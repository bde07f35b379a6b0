"""Initial weights: distinct slots, and small models that train from scratch.

Stock initialisation (docs/model.md, "Initialisation") is right for loading pretrained weights and poor for training
a small model from scratch; docs/experiments.md has the curves.
"""

from __future__ import annotations

import torch
from torch import nn

from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.presets import SizePreset
from instructsam.model.queries import spread_boxes


def build_model(config: InstructSAMConfig, attn_implementation: str = "sdpa") -> InstructSAMModel:
    """A new model with stock initialisation, but distinct slots: reference boxes are spread over the image."""
    model: InstructSAMModel = InstructSAMModel._from_config(
        config, attn_implementation=attn_implementation, dtype=torch.float32
    )
    with torch.no_grad():
        model.detector.set_slot_boxes(spread_boxes(config.num_queries))
    return model


def build_small(
    preset: SizePreset, config: InstructSAMConfig, attn_implementation: str = "sdpa"
) -> InstructSAMModel:
    """A new small model to train from scratch; `config` is that of the preset.

    Stock initialisation, N(0, .02), is made for widths of a thousand and more; at a width of 128 every layer would
    scale its input down to a fifth. Here linear and convolution weights keep the scale of activations (Xavier), as
    in DETR; the last layers that move boxes and attention biases stay near zero.
    """
    model = build_model(config, attn_implementation)
    quiet = {*model.detector.quiet_layers(), model.lm_head}
    with torch.no_grad():
        for module in model.modules():
            if module in quiet or not isinstance(
                module, (nn.Linear, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
            ):
                continue
            nn.init.xavier_uniform_(module.weight)
            if isinstance(module, (nn.Conv2d, nn.Conv3d)) and tuple(module.kernel_size) == tuple(
                module.stride
            ):
                # a patch embedding is a linear layer: Xavier would count every pixel among its outputs, and the
                # picture would drown in its own position table
                nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        nn.init.normal_(model.instance_queries.weight, std=preset.query_std)
        nn.init.normal_(model.get_input_embeddings().weight, std=preset.embedding_std)
        model.detector.initialize_encoder()
        model.vlm.initialize_encoder()
        model.detector.initialize_decoder(preset.spread_slots)
    return model
