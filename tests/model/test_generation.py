"""Decoding with the cache equals one teacher-forced forward; batches decode as single samples do."""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from typing import Any

import pytest
import torch
from torch import Tensor

from instructsam.model.features import ImageFeatures
from instructsam.model.generation import GenerationSettings, Reply, generate
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.released import generate_released
from instructsam.processing.padding import pad_phrases
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.processing.results import resize_masks
from instructsam.structures.outputs import ModelInputs
from tests.reference import assert_near, needs_reference, published_model, tensors
from tests.tiny import picture, tiny_pair

IDS = {"ref_start": 1, "ref_end": 2, "im_end": 3, "pad": 0, "query": 4}


class Scripted(torch.nn.Module):
    """An lm_head that says a fixed text per sample, so that decoding reaches its query blocks."""

    def __init__(self, scripts: list[list[int]], vocabulary: int) -> None:
        super().__init__()
        self.scripts = scripts
        self.vocabulary = vocabulary
        self.calls = 0

    def forward(self, hidden: Tensor) -> Tensor:
        tokens = [script[min(self.calls, len(script) - 1)] for script in self.scripts]
        self.calls += 1
        return torch.nn.functional.one_hot(torch.tensor(tokens), self.vocabulary).float()


def script(processor: InstructSAMProcessor, *phrases: str) -> list[int]:
    """The reply that names `phrases`."""
    ids, tokens = [], processor.token_ids
    for i, phrase in enumerate(phrases):
        ids += processor.tokenizer.encode(", ", add_special_tokens=False) if i else []
        ids += [
            tokens.ref_start,
            *processor.tokenizer.encode(phrase, add_special_tokens=False),
            tokens.ref_end,
        ]
    return [*ids, tokens.im_end]


def decode(
    model: InstructSAMModel, inputs: ModelInputs, scripts: list[list[int]], **settings: Any
) -> list[Reply]:
    head = model.lm_head
    model.lm_head = Scripted(scripts, head.weight.shape[0])
    try:
        with torch.no_grad():
            images = model.encode_images(
                inputs.pixel_values, inputs.image_grid_thw, inputs.detector_pixel_values
            )
        return generate(model, inputs, images, GenerationSettings(**settings))
    finally:
        model.lm_head = head


REPLIES = (("red mug",), ("leftmost blue car", "kite"), ())
TEXTS = ("segment the red mugs", "the leftmost blue car and the kite, please", "what can fly?")


@pytest.mark.parametrize("chosen", [[0], [1], [0, 1, 2], [2, 1, 0]])
def test_cached_decoding_equals_teacher_forcing(chosen: list[int]) -> None:
    model, processor = tiny_pair()
    images = [picture(1), picture(2, 64, 96)]
    index = [0, 1, 0]
    prompts = processor.encode(images, [Sample(index[i], TEXTS[i]) for i in chosen])
    replies = decode(model, prompts, [script(processor, *REPLIES[i]) for i in chosen])
    for i, reply in zip(chosen, replies, strict=True):
        assert len(reply.phrases) == len(REPLIES[i])
        assert not reply.truncated
        assert not reply.malformed
        if not REPLIES[i]:
            continue
        finished = processor.encode([images[index[i]]], [Sample(0, TEXTS[i], REPLIES[i])])
        with torch.no_grad():
            forced = model(**finished.as_kwargs())
        assert_near(torch.stack(reply.states), forced.query_states, 1e-4)


def test_limits() -> None:
    model, processor = tiny_pair()
    prompt = processor.encode([picture()], [Sample(0, TEXTS[0])])
    long = script(processor, "red mug", "kite", "car")
    assert len(decode(model, prompt, [long], max_phrases=2)[0].phrases) == 2
    assert decode(model, prompt, [long], max_phrases=2)[0].truncated
    cut = decode(model, prompt, [long], max_new_tokens=2)[0]
    assert cut.truncated
    assert cut.phrases == []
    assert len(cut.ids) == 2


@pytest.mark.parametrize(
    ("tokens", "phrases", "malformed"),
    [
        ([2, 9, 3], [], True),  # an end without a start
        ([1, 2, 3], [], True),  # an empty phrase
        ([1, 7, 1, 8, 2, 3], [[8]], True),  # a start inside a phrase: the last one counts
        ([1, 7, 3], [], True),  # never closed
        ([9, 9, 3], [], False),  # plain text
        ([1, 7, 2, 9, 1, 8, 2, 3], [[7], [8]], False),
        ([1, 5, 6, 2, 9, 1, 7, 2, 3], [[5, 6], [7]], False),
        ([2, 5, 1, 6, 3], [], True),
        ([1, 5, 1, 6, 2, 3], [[6]], True),
        ([1, 4, 2, 3], [], True),  # a query token is no phrase
        ([1, 4, 6, 2, 3], [[6]], True),
        ([4, 4, 3], [], True),  # a query block without a phrase
    ],
)
def test_malformed_replies_never_raise(tokens: list[int], phrases: list[list[int]], malformed: bool) -> None:
    reply = Reply()
    for token in tokens:
        reply.feed(token, IDS, GenerationSettings(), stops={3})
    assert reply.phrases == phrases
    assert reply.malformed is malformed
    assert reply.finished


def recorded_prompt(case: dict[str, Any]) -> tuple[InstructSAMModel, ModelInputs, ImageFeatures]:
    model = published_model()
    model.config.token_ids |= {"im_end": 3, "pad": 0}
    values: dict[str, Any] = {field.name: None for field in dataclass_fields(ModelInputs)}
    values |= {
        "input_ids": case["in.input_ids"],
        "attention_mask": case["in.attention_mask"],
        "block_ids": torch.full_like(case["in.input_ids"], -1),
        "image_index": torch.zeros(1, dtype=torch.int64),
    }
    images = model.encode_images(
        case["in.pixel_values"], case["in.image_grid_thw"], case["in.sam_pixel_values"]
    )
    return model, ModelInputs(**values), images


def check_recorded(reply: Reply, model: InstructSAMModel, images: ImageFeatures, variant: str) -> Any:
    """Emitted tokens and query states, then the detector pass, which was recorded with the phrases' markers."""
    case = tensors("n5/generation")
    assert [*reply.ids, 3] == case["official.output_ids"][0].tolist()
    assert_near(torch.stack(reply.states), case[f"{variant}.seg_output_embeddings"])
    ids, mask = case["official.phrase_ids"], case["official.text_mask"]
    output = model.detect(torch.stack(reply.states), ids, mask, images.detector.select(torch.zeros(2).long()))
    assert_near(output.score_logits, case[f"{variant}.raw_logits"])
    assert_near(output.mask_logits, case[f"{variant}.pred_masks"])
    return output


@needs_reference
def test_recorded_generation() -> None:
    """The recorded greedy reply, and its query states under the training mask and positions."""
    model, inputs, images = recorded_prompt(tensors("n5/generation"))
    reply = generate(model, inputs, images)[0]
    assert reply.detector_phrases == reply.phrases
    check_recorded(reply, model, images, "train_consistent")


@needs_reference
def test_recorded_released_generation() -> None:
    """Every recorded step of the released decoding, and what the detector makes of it."""
    case = tensors("n5/generation")
    model, inputs, images = recorded_prompt(case)
    hidden: list[Tensor] = []
    hook = model.lm_head.register_forward_pre_hook(lambda _, args: hidden.append(args[0][0]))
    reply = generate_released(model, inputs, images)[0]
    hook.remove()
    assert_near(torch.stack(hidden), case["official.step_last_hidden"])
    ids, mask = pad_phrases(reply.detector_phrases)
    assert torch.equal(ids, case["official.phrase_ids"])
    assert torch.equal(mask, case["official.text_mask"])
    output = check_recorded(reply, model, images, "official")
    assert_near(output.score_logits.sigmoid(), case["official.scores"])
    masks = torch.stack([torch.from_numpy(resize_masks(masks, 64, 96)) for masks in output.mask_logits])
    assert torch.equal(masks, case["official.binary_masks"].bool())


@pytest.mark.parametrize("chosen", [[0, 1, 2], [2, 1, 0]])
def test_released_decoding_of_a_batch_equals_single_samples(chosen: list[int]) -> None:
    model, processor = tiny_pair()
    image = picture(1)

    def released(which: list[int]) -> list[Reply]:
        inputs = processor.encode([image], [Sample(0, TEXTS[i]) for i in which])
        features = model.encode_images(
            inputs.pixel_values, inputs.image_grid_thw, inputs.detector_pixel_values
        )
        scripts = [script(processor, *REPLIES[i]) for i in which]
        head, model.lm_head = model.lm_head, Scripted(scripts, model.lm_head.weight.shape[0])
        try:
            return generate_released(model, inputs, features)
        finally:
            model.lm_head = head

    for i, reply in zip(chosen, released(chosen), strict=True):
        alone = released([i])[0]
        assert reply.detector_phrases == alone.detector_phrases
        assert len(reply.states) == len(REPLIES[i])
        for one, other in zip(reply.states, alone.states, strict=True):
            assert_near(one, other, 1e-4)
