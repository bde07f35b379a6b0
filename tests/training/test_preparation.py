"""Gradient checkpointing changes no loss and no gradient; frozen parts run without dropout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from instructsam.model.vlm.registry import VLMS
from instructsam.training.part_settings import PARTS
from instructsam.training.preparation import checkpoint_blocks
from instructsam.training.trainable import Trainable
from tests.training.test_feature_cache import CPU, trainable


def loss_and_gradients(trained: Trainable, batch: object) -> tuple[Tensor, dict[str, Tensor]]:
    trained.zero_grad(set_to_none=True)
    torch.manual_seed(0)
    total = trained(trained.prepare(batch, CPU, (0, 0, 0)))[0]  # type: ignore[arg-type]
    total.backward()
    return total.detach(), {n: p.grad.clone() for n, p in trained.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("vlm", VLMS)
def test_recomputed_states_give_the_same_loss_and_gradients(vlm: str) -> None:
    trained, batches = trainable(vlm)
    trained.freeze(PARTS)
    trained.train()
    loss, gradients = loss_and_gradients(trained, batches[0])
    checkpoint_blocks(trained.model)
    calls: list[nn.Module] = []
    blocks = [module for module in trained.modules() if isinstance(module, GradientCheckpointingLayer)]
    for block in blocks:
        block.register_forward_hook(lambda module, *_: calls.append(module))
    again, recomputed = loss_and_gradients(trained, batches[0])
    assert torch.allclose(loss, again, atol=1e-6)
    assert gradients.keys() == recomputed.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, recomputed[name], atol=1e-5, rtol=1e-4), name
    kinds = {type(module).__name__ for module in calls}
    assert "CheckpointedEncoderLayer" in kinds
    assert "Sam3ViTLayer" in kinds
    assert len(kinds) == 4, "and the blocks of the language model and of the VLM's vision encoder"


def test_frozen_parts_have_no_dropout_and_trained_ones_have() -> None:
    trained, _ = trainable("qwen3_vl")
    trained.freeze(["detector"])
    trained.train()
    modes = {name: module.training for name, module in trained.model.named_modules()}
    assert modes["detector.detr_decoder.layers.0.mlp"]
    assert not modes["detector.vision_encoder.backbone.layers.0.mlp"]
    assert not modes["vlm.language_model.norm"]
    assert modes["vlm.language_model.layers.0"], "the mode of a block only decides about recomputation"
    assert not modes["vlm.language_model.layers.0.mlp"]
