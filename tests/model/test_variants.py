"""Variants for ablations differ from the method in what they name, and in nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from instructsam.checkpoints.published_layout import config_from_published, config_to_published
from instructsam.checkpoints.published_sizes import PUBLISHED_2B
from instructsam.errors import CheckpointError, ConfigError
from instructsam.model.attention import hybrid_mask
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.generation import GenerationSettings
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.variants.base import Variant
from instructsam.model.variants.registry import METHOD, METHOD_VALUES, VARIANTS, choices, variant
from instructsam.model.variants.token_per_instance import MAX_INSTANCES, generate_instances
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.processing.tokens import encode_text
from tests.model.test_generation import Scripted
from tests.reference import assert_near
from tests.tiny import picture, tiny_pair

PER_INSTANCE: dict[str, Any] = {"num_queries": 1, "instance_form": "token_per_instance"}


def test_causal_differs_from_hybrid_only_inside_blocks() -> None:
    model, processor = tiny_pair()
    inputs = processor.encode([picture(1)], [Sample(0, "mugs and kites", ("red mug", "kite"))])
    embeds = model.get_input_embeddings()(inputs.input_ids)
    text_config = model.vlm.language_model.config
    hybrid, causal = (
        hybrid_mask(
            text_config,
            embeds,
            inputs.attention_mask,
            variant("query_attention", kind).attention_blocks(inputs.block_ids),
        )[0, 0]
        for kind in choices("query_attention")
    )
    length = len(causal)
    assert torch.equal(causal, torch.ones(length, length, dtype=torch.bool).tril())
    blocks = inputs.block_ids[0]
    siblings = (blocks[:, None] == blocks[None]) & (blocks[:, None] >= 0)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    assert torch.equal(hybrid != causal, siblings & later)
    assert int((siblings & later).sum()) == 2 * 6


def test_under_causal_attention_a_query_sees_only_the_ones_before_it() -> None:
    inputs = None
    states = {}
    for kind in ("hybrid", "causal"):
        model, processor = tiny_pair(query_attention=kind)
        inputs = processor.encode([picture(1)], [Sample(0, "mugs", ("red mug",))])
        with torch.no_grad():
            before = model(**inputs.as_kwargs()).query_states[0]
            model.instance_queries.weight[-1] += 1.0
            after = model(**inputs.as_kwargs()).query_states[0]
        states[kind] = (before - after).abs().amax(-1)
    assert (states["hybrid"] > 1e-4).all()
    assert (states["causal"][:-1] < 1e-6).all()
    assert states["causal"][-1] > 1e-4


def test_queries_that_know_their_slot_follow_its_box() -> None:
    model, processor = tiny_pair(slot_boxes=True)
    plain, _ = tiny_pair()
    assert torch.equal(plain.query_bank(), plain.instance_queries.weight)
    inputs = processor.encode([picture(1)], [Sample(0, "mugs", ("red mug",))])
    decoder = model.detector.detr_decoder
    with torch.no_grad():
        before = model(**inputs.as_kwargs()).query_states[0]
        decoder.reference_points.weight[0] += 1.0
        bank, moved = model.query_bank(), model(**inputs.as_kwargs()).query_states[0]
    assert (before - moved).abs().amax() > 1e-4
    assert not torch.equal(
        bank[0] - bank[1], (model.instance_queries.weight[0] - model.instance_queries.weight[1])
    )
    model(**inputs.as_kwargs()).query_states.sum().backward()
    assert (
        decoder.reference_points.weight.grad is None
    )  # what the language model learns does not move the slots
    assert model.instance_queries.slot is not None
    assert model.instance_queries.slot.weight.grad is not None


def test_every_variant_has_a_field_and_a_value_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [(one.field, one.value) for one in VARIANTS.values()]
    assert len(set(chosen)) == len(chosen)
    for one in VARIANTS.values():
        assert variant(one.field, one.value) is one
    for field, value in METHOD_VALUES.items():
        assert variant(field, value) is METHOD

    class Blind(Variant):
        field = "query_attention"
        value = "blind"

    with pytest.raises(ConfigError, match="must be one of hybrid, causal, got 'blind'"):
        tiny_pair(query_attention="blind")
    monkeypatch.setitem(VARIANTS, "blind", Blind())
    assert isinstance(tiny_pair(query_attention="blind")[0].config.variant("query_attention"), Blind)


def test_without_projectors_there_are_no_projector_parameters() -> None:
    model, processor = tiny_pair(projectors=False)
    assert not [name for name, _ in model.named_parameters() if "projector" in name]
    assert [name for name, _ in tiny_pair()[0].named_parameters() if "projector" in name]
    inputs = processor.encode([picture(1)], [Sample(0, "mugs", ("red mug",))])
    with torch.no_grad():
        assert model(**inputs.as_kwargs()).mask_logits.shape[:2] == (1, 4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"projectors": False, "vlm_width": 64}, "64 and 32"),
        ({"query_attention": "both"}, "hybrid, causal"),
        ({"instance_form": "token_as_mask"}, "num_queries"),
        ({"instance_form": "tokens"}, "token_per_instance"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        tiny_pair(**changes)


def test_published_checkpoints_are_the_method() -> None:
    for config in (config_from_published(PUBLISHED_2B), InstructSAMConfig.from_dict({})):
        assert (config.query_attention, config.projectors, config.instance_form) == (
            "hybrid",
            True,
            "queries",
        )
    assert "instance_form" not in str(config_to_published(tiny_pair(use_presence=False)[0].config))


@pytest.mark.parametrize(
    "changes", [{"query_attention": "causal"}, {"projectors": False}, {"slot_boxes": True}, PER_INSTANCE]
)
def test_the_published_layout_holds_no_ablation(changes: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match="native layout"):
        config_to_published(tiny_pair(use_presence=False, **changes)[0].config)


def decode(
    model: InstructSAMModel,
    processor: InstructSAMProcessor,
    script: list[int],
    given: list[list[list[int]]] | None = None,
    settings: GenerationSettings | None = None,
) -> Any:
    inputs = processor.encode([picture(1)], [Sample(0, "mugs and kites")])
    head, model.lm_head = model.lm_head, Scripted([script], model.lm_head.weight.shape[0])
    try:
        with torch.no_grad():
            images = model.encode_images(
                inputs.pixel_values, inputs.image_grid_thw, inputs.detector_pixel_values
            )
        separator = processor.conversations.separator
        return generate_instances(model, inputs, images, settings, separator, given)[0]
    finally:
        model.lm_head = head


@pytest.mark.parametrize("given", [False, True])
def test_one_token_per_instance_decodes_as_it_is_trained(given: bool) -> None:
    model, processor = tiny_pair(**PER_INSTANCE)
    blocks, phrases = (3, 1), ("red mug", "kite")
    whole = processor.encode([picture(1)], [Sample(0, "mugs and kites", phrases, blocks=blocks)])
    with torch.no_grad():
        taught = model(**whole.as_kwargs())
    assert taught.query_states.shape[:2] == (4, 1)
    tokens = processor.token_ids
    ids = [encode_text(processor.tokenizer, phrase) for phrase in phrases]
    # what the head says at each step; a given phrase overrules the word before it
    if given:
        said = [tokens.im_end, tokens.mask_start, tokens.mask_start, tokens.im_end, tokens.im_end]
    else:
        first = [tokens.ref_start, *ids[0], tokens.ref_end, tokens.mask_start, tokens.mask_start]
        second = [
            *processor.conversations.separator,
            tokens.ref_start,
            *ids[1],
            tokens.ref_end,
            tokens.im_end,
        ]
        said = [*first, *second]
    reply = decode(model, processor, said, [ids] if given else None)
    assert reply.owners == [0, 0, 0, 1]
    assert reply.phrases == ids
    assert reply.detector_phrases == [ids[0], ids[0], ids[0], ids[1]]
    assert (reply.truncated, reply.malformed) == (False, False)
    assert_near(torch.stack(reply.states), taught.query_states, 1e-4)
    assert whole.phrase_sample.tolist() == [0] * 4
    assert whole.block_ids[whole.block_ids >= 0].tolist() == [0, 1, 2, 3]


def test_a_mask_start_outside_a_phrase_is_malformed_and_endless_counting_is_cut() -> None:
    model, processor = tiny_pair(**PER_INSTANCE)
    tokens = processor.token_ids
    kite = encode_text(processor.tokenizer, "kite")
    stray = decode(model, processor, [tokens.mask_start, tokens.im_end])
    assert (stray.malformed, stray.owners) == (True, [])
    endless = [tokens.ref_start, *kite, tokens.ref_end, tokens.mask_start]
    reply = decode(model, processor, endless)
    assert reply.truncated
    assert len(reply.states) == len(reply.owners) == MAX_INSTANCES
    limited = decode(model, processor, [tokens.mask_start], [[kite]], GenerationSettings(max_new_tokens=2))
    assert (limited.truncated, len(limited.states)) == (True, 3)


def test_how_many_instances_there_are_is_supervised_even_where_words_are_not() -> None:
    _, processor = tiny_pair(**PER_INSTANCE)
    sample = Sample(0, "kites", ("kite",), supervise_text=False, blocks=(2,))
    inputs = processor.encode([picture(1)], [sample], labels=True)
    assert inputs.labels is not None
    tokens = processor.token_ids
    assert inputs.labels[inputs.labels >= 0].tolist() == [tokens.mask_start, tokens.im_end]
    ends = (inputs.input_ids[0] == tokens.mask_end).nonzero()[:, 0]
    assert inputs.labels[0][ends + 1].tolist() == [tokens.mask_start, tokens.im_end]
