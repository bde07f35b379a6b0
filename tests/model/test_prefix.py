"""A shared prefix changes what is computed, never what comes out."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from instructsam.model.generation import GenerationSettings, generate
from instructsam.model.prefix import common_prefix, read_prompts
from instructsam.model.sharing import query_states
from instructsam.processing.processor import Sample
from tests.model.test_generation import decode, script
from tests.reference import assert_near
from tests.tiny import picture, tiny_pair

TEXTS = ("segment the red mugs", "the leftmost blue car and the kite, please", "what can fly?")


def seen(model, inputs):
    return model.encode_images(inputs.pixel_values, inputs.image_grid_thw, inputs.detector_pixel_values)


@torch.no_grad()
def test_states_equal_those_of_one_pass_and_of_single_samples() -> None:
    model, processor = tiny_pair()
    inputs = processor.encode([picture()], [Sample(0, text, (text, "kite")) for text in TEXTS])
    images = seen(model, inputs)
    length = common_prefix(inputs, processor.token_ids.image)
    assert 0 < length < inputs.input_ids.shape[1]
    assert (inputs.input_ids[0, :length] == processor.token_ids.image).any()
    shared = query_states(model, inputs, images)
    whole = model.read(inputs.input_ids, inputs.attention_mask, inputs.block_ids, images, inputs.image_index)
    assert_near(shared, model.at_queries(whole, inputs.block_ids), 1e-4)
    real = inputs.attention_mask.bool()
    assert_near(read_prompts(model, inputs, images)[real], whole[real], 1e-4)
    for row, text in enumerate(TEXTS):
        one = processor.encode([picture()], [Sample(0, text, (text, "kite"))])
        assert_near(shared[2 * row : 2 * row + 2], query_states(model, one, seen(model, one)), 1e-4)


def test_the_prefix_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = tiny_pair()
    inputs = processor.encode([picture()], [Sample(0, text, (text,)) for text in TEXTS])
    rows: list[tuple[int, int]] = []
    model.vlm.language_model.register_forward_pre_hook(
        lambda _, __, kwargs: rows.append(tuple(kwargs["inputs_embeds"].shape[:2])), with_kwargs=True
    )
    with torch.no_grad():
        query_states(model, inputs, seen(model, inputs))
    (one, prefix), (all_rows, rest) = rows
    assert (one, all_rows) == (1, 3)
    assert prefix + rest == inputs.input_ids.shape[1]


def test_when_nothing_can_be_shared() -> None:
    _, processor = tiny_pair()
    image = processor.token_ids.image
    two = processor.encode([picture(), picture(1)], [Sample(0, TEXTS[0]), Sample(1, TEXTS[0])])
    assert common_prefix(two, image) == 0
    assert common_prefix(processor.encode([picture()], [Sample(0, TEXTS[0])]), image) == 0
    same = processor.encode([picture()], [Sample(0, TEXTS[0]), Sample(0, TEXTS[0])])
    assert common_prefix(same, image) == same.input_ids.shape[1] - 1  # each row keeps a token of its own
    left = replace(
        same, attention_mask=torch.cat([torch.zeros(2, 1, dtype=torch.int64), same.attention_mask[:, 1:]], 1)
    )
    assert common_prefix(left, image) == 0


@torch.no_grad()
def test_replies_equal_those_of_single_samples() -> None:
    model, processor = tiny_pair()
    scripts = [script(processor, text) for text in ("red mug", "leftmost blue car", "kite")]
    inputs = processor.encode([picture()], [Sample(0, text) for text in TEXTS])
    assert common_prefix(inputs, processor.token_ids.image)
    together = decode(model, inputs, scripts)
    for reply, text, words in zip(together, TEXTS, scripts, strict=True):
        alone = decode(model, processor.encode([picture()], [Sample(0, text)]), [words])[0]
        assert reply.phrases == alone.phrases
        assert_near(torch.stack(reply.states), torch.stack(alone.states), 1e-4)
    own = generate(model, inputs, seen(model, inputs), GenerationSettings(max_new_tokens=6))
    for reply, text in zip(own, TEXTS, strict=True):
        one = processor.encode([picture()], [Sample(0, text)])
        assert (
            reply.ids == generate(model, one, seen(model, one), GenerationSettings(max_new_tokens=6))[0].ids
        )
