"""Conversations about one image in one row: states, logits and gradients of separate rows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from instructsam.losses.criterion import text_loss
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.packed import PackedConversations, pack
from instructsam.model.shared_prefix import shared_prefixes
from instructsam.processing.processor import Sample
from instructsam.structures.outputs import ModelInputs, SegmentationOutput
from tests.model.test_shared_prefix import PICTURES, SAMPLES, record_passes
from tests.reference import assert_near
from tests.tiny import tiny_pair

# the second conversation differs from the first in its reply alone, so their prefix ends inside the reply
ALIKE = (Sample(0, "what can fly?", ("bird",)), Sample(0, "what can fly?", ("kite",)), SAMPLES[1])
ONE_EACH = (SAMPLES[0], SAMPLES[1])


def packed(model: InstructSAMModel, inputs: ModelInputs) -> PackedConversations:
    grids = inputs.image_grid_thw[inputs.image_index]
    positions = model.positions(inputs.input_ids, inputs.attention_mask, grids)
    conversations = (inputs.input_ids, inputs.attention_mask, inputs.block_ids, inputs.image_index)
    prefixes = shared_prefixes(*conversations, model.image_token_id)
    return pack(positions, *conversations, model.image_token_id, prefixes, inputs.labels)


def losses_and_gradients(
    model: InstructSAMModel, inputs: ModelInputs, rows: PackedConversations | None
) -> tuple[SegmentationOutput, Tensor, dict[str, Tensor]]:
    model.zero_grad(set_to_none=True)
    output = model(**inputs.as_kwargs(), packed=rows, text_logits=True)
    assert inputs.labels is not None
    text = text_loss(output.text_logits, inputs.labels if rows is None else rows.text_labels)
    (text + output.mask_logits.square().mean() + output.query_states.square().mean()).backward()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return output, text.detach(), gradients


def assert_gradients_near(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        if gradient.abs().max() > 1e-6 * largest:  # the others are zero but for rounding: biases of keys
            assert_near(actual[name], gradient, 2e-3)


@pytest.mark.parametrize("samples", [SAMPLES, ALIKE, ONE_EACH])
@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_outputs_and_gradients_equal_those_of_separate_rows(samples: tuple[Sample, ...], kernel: str) -> None:
    model, processor = tiny_pair()
    model.set_attn_implementation(kernel)
    inputs = processor.encode(PICTURES, list(samples), labels=True)
    rows = packed(model, inputs)
    shapes = record_passes(model)
    together, text, gradients = losses_and_gradients(model, inputs, rows)
    assert [count for count, _ in shapes] == [2], "one pass, one row per image"
    apart, own_text, own_gradients = losses_and_gradients(model, inputs, None)
    assert_near(together.query_states, apart.query_states, 1e-4)
    assert_near(together.mask_logits, apart.mask_logits, 1e-4)
    assert float(text) == pytest.approx(float(own_text), rel=1e-5)
    assert_gradients_near(gradients, own_gradients)


def test_causal_queries() -> None:
    model, processor = tiny_pair()
    model.config.query_attention = "causal"
    inputs = processor.encode(PICTURES, list(SAMPLES), labels=True)
    with torch.no_grad():
        together = model(**inputs.as_kwargs(), packed=packed(model, inputs))
        apart = model(**inputs.as_kwargs())
        assert_near(together.query_states, apart.query_states, 1e-4)
        model.config.query_attention = "hybrid"
        assert not torch.allclose(model(**inputs.as_kwargs()).query_states, apart.query_states, atol=1e-3)


def test_under_gradient_checkpointing() -> None:
    model, processor = tiny_pair()
    inputs = processor.encode(PICTURES, list(SAMPLES), labels=True)
    rows = packed(model, inputs)
    _, _, gradients = losses_and_gradients(model, inputs, rows)
    model.train()
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()
    _, _, recomputed = losses_and_gradients(model, inputs, rows)
    assert_gradients_near(recomputed, gradients)


def test_a_conversation_sees_its_image_and_itself() -> None:
    model, processor = tiny_pair()
    inputs = processor.encode(PICTURES, list(SAMPLES), labels=True)
    rows = packed(model, inputs)
    seen = rows.visible(rows.blocks)[:, 0]
    assert seen.any(-1).all(), "no row of the mask is empty, or attention would be NaN"
    for row, owners in enumerate(rows.conversations):
        for conversation in set(owners.tolist()) - {-1, -2}:
            own = owners == conversation
            assert not seen[row][own][:, ~(own | (owners == -1))].any()
            assert seen[row][own][:, owners == -1].all()
