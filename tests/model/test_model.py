"""Properties that every size of the model must keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from instructsam.checkpoints.opening import load_model
from instructsam.errors import ConfigError
from instructsam.model.attention import hybrid_mask
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.queries import spread_boxes
from instructsam.processing.processor import Sample
from instructsam.structures.outputs import ModelInputs, SegmentationOutput
from tests.reference import assert_near
from tests.tiny import picture, tiny_pair

SAMPLES = (
    Sample(0, "segment the red mugs", ("red mug",)),
    Sample(1, "the leftmost blue car, and what can fly", ("leftmost blue car", "kite")),
    Sample(0, "everything but the kite please, all of it", ("everything but kite",)),
)


@pytest.fixture(scope="module")
def pair() -> tuple[InstructSAMModel, object]:
    return tiny_pair()


def encode(pair: tuple, samples: tuple[Sample, ...] = SAMPLES) -> ModelInputs:
    return pair[1].encode([picture(1), picture(2, 64, 96)], samples, labels=True)


def forward(model: InstructSAMModel, inputs: ModelInputs) -> SegmentationOutput:
    with torch.no_grad():
        return model(**inputs.as_kwargs(), text_logits=True, auxiliary=True)


def compare(one: SegmentationOutput, other: SegmentationOutput, rows: list[int]) -> None:
    for name in (
        "mask_logits",
        "score_logits",
        "boxes_cxcywh",
        "presence_logits",
        "semantic_logits",
        "query_states",
    ):
        assert_near(getattr(one, name), getattr(other, name)[rows], 1e-4)


def test_shapes(pair: tuple) -> None:
    output = forward(pair[0], encode(pair))
    assert output.mask_logits.shape == (4, 4, 16, 16)
    assert output.score_logits.shape == (4, 4)
    assert output.boxes_cxcywh.shape == (4, 4, 4)
    assert output.presence_logits is not None
    assert output.presence_logits.shape == (4,)
    assert len(output.auxiliary) == 1
    assert output.phrase_sample is not None
    assert output.phrase_sample.tolist() == [0, 1, 1, 2]


def test_batched_equals_single(pair: tuple) -> None:
    model, processor = pair
    together = forward(model, encode(pair))
    images = [picture(1), picture(2, 64, 96)]
    first = 0
    for sample in SAMPLES:
        alone = processor.encode([images[sample.image_index]], [replace(sample, image_index=0)])
        rows = list(range(first, first + len(sample.phrases or ())))
        compare(forward(model, alone), together, rows)
        first += len(rows)


def test_sample_order_does_not_matter(pair: tuple) -> None:
    model, _ = pair
    turned = forward(model, encode(pair, SAMPLES[::-1]))
    compare(turned, forward(model, encode(pair)), [3, 1, 2, 0])


def flip_padding(inputs: ModelInputs) -> ModelInputs:
    """The same samples, padded on the left."""
    lengths = inputs.attention_mask.sum(1).tolist()

    def roll(rows: Tensor) -> Tensor:
        return torch.stack([row.roll(len(row) - length) for row, length in zip(rows, lengths, strict=True)])

    return replace(
        inputs,
        input_ids=roll(inputs.input_ids),
        attention_mask=roll(inputs.attention_mask),
        block_ids=roll(inputs.block_ids),
    )


def test_padding_side_does_not_matter(pair: tuple) -> None:
    model, _ = pair
    inputs = encode(pair)
    assert (inputs.attention_mask == 0).any()
    compare(forward(model, flip_padding(inputs)), forward(model, inputs), [0, 1, 2, 3])


def test_hybrid_mask_is_causal_but_for_siblings() -> None:
    model, _ = tiny_pair()
    blocks = torch.tensor([[-1, -1, 0, 0, -1, 1, 1, -1]])
    mask = hybrid_mask(
        model.vlm.language_model.config, torch.zeros(1, 8, 32), torch.ones(1, 8).long(), blocks
    )
    expected = torch.ones(8, 8).tril().bool()
    expected[2, 3] = expected[5, 6] = True
    assert torch.equal(mask[0, 0], expected)


def test_queries_do_not_see_what_follows(pair: tuple) -> None:
    """Text after a block, and later blocks, change nothing in it."""
    model, _ = pair
    short = replace(SAMPLES[1], phrases=("leftmost blue car",))
    compare(forward(model, encode(pair, (short,))), forward(model, encode(pair, (SAMPLES[1],))), [0])


@pytest.mark.parametrize("kernel", ["flash_attention_2", "flex_attention"])
def test_other_kernels_are_refused(kernel: str) -> None:
    model, _ = tiny_pair()
    with pytest.raises(ConfigError, match="needs attn_implementation 'sdpa' or 'eager'"):
        InstructSAMModel._from_config(model.config, attn_implementation=kernel)


def test_save_load_same_output(pair: tuple, tmp_path: Path) -> None:
    model, _ = pair
    model.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.glob("*.bin")] == []
    again = load_model(tmp_path, torch.float32)
    inputs = encode(pair)
    assert not [n for n, w in model.state_dict().items() if not torch.equal(w, again.state_dict()[n])]
    one, other = forward(model, inputs), forward(again, inputs)
    for name in ("mask_logits", "score_logits", "boxes_cxcywh", "text_logits"):
        assert_near(getattr(one, name), getattr(other, name), 1e-6)


def test_gradients_reach_every_part() -> None:
    pair = tiny_pair()
    model = pair[0].train()
    inputs = encode(pair)
    output = model(**inputs.as_kwargs())
    (output.mask_logits.square().mean() + output.score_logits.sum() + output.boxes_cxcywh.sum()).backward()
    parts = {
        "queries": model.instance_queries.weight,
        "query projector": model.query_projector[0].weight,
        "phrase projector": model.phrase_projector[0].weight,
        "decoder": model.detector.detr_decoder.layers[0].self_attn.q_proj.weight,
        "reference points": model.detector.detr_decoder.reference_points.weight,
        "VLM text": model.vlm.language_model.layers[0].self_attn.q_proj.weight,
        "VLM vision": model.vlm.visual.blocks[0].attn.qkv.weight,
        "detector vision": model.detector.vision_encoder.backbone.layers[0].mlp.fc1.weight,
    }
    for name, weight in parts.items():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name


def test_slots_start_distinct() -> None:
    for num_queries in (5, 10, 20):
        boxes = spread_boxes(num_queries)
        assert ((boxes > 0) & (boxes < 1)).all()
        gaps = torch.cdist(boxes[:, :2], boxes[:, :2]) + torch.eye(num_queries)
        assert gaps.min() > 0.5 / num_queries**0.5 * 0.5
    model, _ = tiny_pair()
    assert (
        torch.cdist(model.instance_queries.weight, model.instance_queries.weight).add(torch.eye(4)).min() > 0
    )


def test_without_presence() -> None:
    pair = tiny_pair(use_presence=False)
    output = forward(pair[0], encode(pair))
    assert output.presence_logits is None
    assert not [name for name, _ in pair[0].named_parameters() if "presence" in name]


def test_auto_classes_know_the_model(pair: tuple, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel

    pair[0].save_pretrained(tmp_path)
    assert type(AutoConfig.from_pretrained(tmp_path)) is type(pair[0].config)
    assert isinstance(AutoModel.from_pretrained(tmp_path), InstructSAMModel)
