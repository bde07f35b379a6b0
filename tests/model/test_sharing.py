"""Each image read once for all its conversations: the same states and gradients as one plain pass."""

from __future__ import annotations

import pytest
import torch

from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.prefix import beginnings
from instructsam.model.sharing import read_shared
from instructsam.processing.processor import Sample
from instructsam.structures.outputs import ModelInputs
from tests.reference import assert_near
from tests.tiny import picture, tiny_pair

SAMPLES = (
    Sample(0, "segment the red mugs", ("red mug",)),
    Sample(1, "the leftmost blue car and the kite, please", ("leftmost blue car", "kite")),
    Sample(0, "what can fly?", ("bird",)),
    Sample(1, "the snail", ("snail",)),
    Sample(0, "the snail and, as a second group, whatever stands left of the big bus", ("snail", "thing")),
)


def encoded() -> tuple[InstructSAMModel, ModelInputs, int]:
    """Two pictures of different shape, five conversations in mixed order."""
    model, processor = tiny_pair()
    wide = picture(1).resize((96, 48))
    return model, processor.encode([picture(), wide], list(SAMPLES), labels=True), processor.token_ids.image


def see(model: InstructSAMModel, inputs: ModelInputs):
    return model.encode_images(inputs.pixel_values, inputs.image_grid_thw, inputs.detector_pixel_values)


def arguments(inputs: ModelInputs):
    return inputs.input_ids, inputs.attention_mask, inputs.block_ids


def test_states_and_gradients_equal_those_of_one_pass() -> None:
    model, inputs, _ = encoded()
    real = inputs.attention_mask.bool()
    gradients = []
    states = []
    for read in (lambda *given: model.read(*given), lambda *given: read_shared(model, *given)):
        model.zero_grad(set_to_none=True)
        hidden = read(*arguments(inputs), see(model, inputs), inputs.image_index)[real]
        (hidden * torch.linspace(-1, 1, hidden.numel()).view_as(hidden)).sum().backward()
        states.append(hidden.detach())
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert_near(states[1], states[0], 1e-4)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert_near(gradients[1][name], gradient, 2e-3)


def test_beginnings_hold_the_whole_image_and_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs, image_token = encoded()
    starts = beginnings(*arguments(inputs), inputs.image_index, image_token)
    assert starts is not None
    for row, start in zip(inputs.input_ids, starts[inputs.image_index].tolist(), strict=True):
        assert not (row[start:] == image_token).any()
    shapes: list[tuple[int, ...]] = []
    model.vlm.language_model.register_forward_pre_hook(
        lambda _, __, given: shapes.append(tuple(given["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    with torch.no_grad():
        model(**inputs.as_kwargs())
    assert [rows for rows, _ in shapes] == [2, len(SAMPLES)]
    assert shapes[1][1] < inputs.input_ids.shape[1]


def test_a_plain_pass_where_nothing_can_be_shared() -> None:
    _, processor = tiny_pair()
    image_token = processor.token_ids.image
    two = processor.encode([picture(), picture(1)], [Sample(0, "the snail"), Sample(1, "the snail")])
    assert beginnings(*arguments(two), two.image_index, image_token) is None
    same = processor.encode([picture()], [Sample(0, "the snail"), Sample(0, "the snail")])
    left_padded = torch.cat([torch.zeros(2, 1, dtype=torch.int64), same.attention_mask[:, 1:]], 1)
    assert beginnings(same.input_ids, left_padded, same.block_ids, same.image_index, image_token) is None


def test_gradient_checkpointing_keeps_one_pass() -> None:
    model, inputs, _ = encoded()
    model.train()
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()
    rows: list[int] = []
    model.vlm.language_model.register_forward_pre_hook(
        lambda _, __, given: rows.append(len(given["inputs_embeds"])), with_kwargs=True
    )
    model(**inputs.as_kwargs()).mask_logits.sum().backward()
    assert rows[0] == len(SAMPLES)
