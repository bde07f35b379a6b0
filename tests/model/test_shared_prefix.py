"""Each image's shared prefix encoded once: the same states, gradients and replies as plain passes, one by one."""

from __future__ import annotations

import pytest
import torch

from instructsam.model.features import ImageFeatures
from instructsam.model.generation import GenerationSettings, generate
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.shared_prefix import encode_shared, query_states, shared_prefixes
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.structures.outputs import ModelInputs
from tests.model.test_generation import decode, script
from tests.reference import assert_near
from tests.tiny import encode_images, picture, tiny_pair

TEXTS = ("segment the red mugs", "the leftmost blue car and the kite, please", "what can fly?")
SAMPLES = (
    Sample(0, "segment the red mugs", ("red mug",)),
    Sample(1, "the leftmost blue car and the kite, please", ("leftmost blue car", "kite")),
    Sample(0, "what can fly?", ("bird",)),
    Sample(1, "the snail", ("snail",)),
    Sample(0, "the snail and, as a second group, whatever stands left of the big bus", ("snail", "thing")),
)
REPLIES = (("red mug",), ("leftmost blue car", "kite"), (), ("snail",), ("snail", "kite", "mug"))
PICTURES = (picture(), picture(1).resize((96, 48)))


def encoded() -> tuple[InstructSAMModel, InstructSAMProcessor, ModelInputs]:
    """Two pictures of different shape, five conversations in mixed order."""
    model, processor = tiny_pair()
    return model, processor, processor.encode(PICTURES, list(SAMPLES), labels=True)


def arguments(inputs: ModelInputs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return inputs.input_ids, inputs.attention_mask, inputs.block_ids


def lengths_of(inputs: ModelInputs, image_token: int) -> torch.Tensor | None:
    found = shared_prefixes(*arguments(inputs), inputs.image_index, image_token)
    return None if found is None else found.lengths


def plain(model: InstructSAMModel, inputs: ModelInputs, images: ImageFeatures) -> torch.Tensor:
    ids, mask, blocks = arguments(inputs)
    positions = model.positions(ids, mask, images.grid_thw[inputs.image_index])
    return model.encode(ids, mask, blocks, positions, images, inputs.image_index)


def shared(model: InstructSAMModel, inputs: ModelInputs, images: ImageFeatures) -> torch.Tensor:
    return encode_shared(model, *arguments(inputs), images, inputs.image_index).hidden


def record_passes(model: InstructSAMModel) -> list[tuple[int, int]]:
    """Rows and tokens of each pass of the language model from now on."""
    shapes: list[tuple[int, int]] = []
    model.vlm.language_model.register_forward_pre_hook(
        lambda _, __, given: shapes.append(tuple(given["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    return shapes


def test_states_and_gradients_equal_those_of_one_pass() -> None:
    model, _, inputs = encoded()
    real = inputs.attention_mask.bool()
    gradients = []
    states = []
    for run in (plain, shared):
        model.zero_grad(set_to_none=True)
        hidden = run(model, inputs, encode_images(model, inputs))[real]
        (hidden * torch.linspace(-1, 1, hidden.numel()).view_as(hidden)).sum().backward()
        states.append(hidden.detach())
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert_near(states[1], states[0], 1e-4)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert_near(gradients[1][name], gradient, 2e-3)


@torch.no_grad()
def test_states_equal_those_of_single_samples() -> None:
    model, processor = tiny_pair()
    inputs = processor.encode([picture()], [Sample(0, text, (text, "kite")) for text in TEXTS])
    together = query_states(model, inputs, encode_images(model, inputs))
    for row, text in enumerate(TEXTS):
        one = processor.encode([picture()], [Sample(0, text, (text, "kite"))])
        assert_near(
            together[2 * row : 2 * row + 2], query_states(model, one, encode_images(model, one)), 1e-4
        )


def test_a_prefix_holds_the_whole_image_and_runs_once() -> None:
    model, processor, inputs = encoded()
    image_token = processor.token_ids.image
    lengths = lengths_of(inputs, image_token)
    assert lengths is not None
    for row, length in zip(inputs.input_ids, lengths[inputs.image_index].tolist(), strict=True):
        assert not (row[length:] == image_token).any()
    shapes = record_passes(model)
    with torch.no_grad():
        model(**inputs.as_kwargs())
    assert [rows for rows, _ in shapes] == [2, len(SAMPLES)]
    assert shapes[1][1] < inputs.input_ids.shape[1]


def test_one_image_wastes_no_column() -> None:
    model, processor = tiny_pair()
    inputs = processor.encode([picture()], [Sample(0, text, (text,)) for text in TEXTS])
    shapes = record_passes(model)
    with torch.no_grad():
        query_states(model, inputs, encode_images(model, inputs))
    (one, prefix), (all_rows, rest) = shapes
    assert (one, all_rows) == (1, 3)
    assert prefix + rest == inputs.input_ids.shape[1]


def test_a_plain_pass_where_nothing_can_be_shared() -> None:
    _, processor = tiny_pair()
    image_token = processor.token_ids.image
    two = processor.encode([picture(), picture(1)], [Sample(0, "the snail"), Sample(1, "the snail")])
    assert lengths_of(two, image_token) is None
    assert lengths_of(processor.encode([picture()], [Sample(0, TEXTS[0])]), image_token) is None
    same = processor.encode([picture()], [Sample(0, "the snail"), Sample(0, "the snail")])
    length = lengths_of(same, image_token)
    assert length is not None
    assert length.tolist() == [same.input_ids.shape[1] - 1]  # each row keeps a token of its own
    left_padded = torch.cat([torch.zeros(2, 1, dtype=torch.int64), same.attention_mask[:, 1:]], 1)
    assert shared_prefixes(same.input_ids, left_padded, same.block_ids, same.image_index, image_token) is None


def test_gradient_checkpointing_keeps_one_pass() -> None:
    model, _, inputs = encoded()
    model.train()
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()
    shapes = record_passes(model)
    model(**inputs.as_kwargs()).mask_logits.sum().backward()
    assert shapes[0][0] == len(SAMPLES)


@torch.no_grad()
@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [0, 2, 4]])
def test_replies_about_several_images_equal_those_of_single_samples(order: list[int]) -> None:
    model, processor = tiny_pair()
    scripts = [script(processor, *REPLIES[i]) for i in order]
    inputs = processor.encode(
        PICTURES, [Sample(SAMPLES[i].image_index, SAMPLES[i].instruction) for i in order]
    )
    shapes = record_passes(model)
    together = decode(model, inputs, scripts)
    images = len({SAMPLES[i].image_index for i in order})
    assert [rows for rows, _ in shapes[:2]] == [images, len(order)], "each image's prefix runs once"
    assert all(tokens < min(shapes[0][1], 20) for _, tokens in shapes[2:])
    own = generate(model, inputs, encode_images(model, inputs), GenerationSettings(max_new_tokens=6))
    for row, i in enumerate(order):
        one = processor.encode([PICTURES[SAMPLES[i].image_index]], [Sample(0, SAMPLES[i].instruction)])
        alone = decode(model, one, [scripts[row]])[0]
        assert together[row].phrases == alone.phrases
        assert len(together[row].states) == len(REPLIES[i])
        if alone.states:
            assert_near(torch.stack(together[row].states), torch.stack(alone.states), 1e-4)
        free = generate(model, one, encode_images(model, one), GenerationSettings(max_new_tokens=6))[0]
        assert own[row].ids == free.ids
