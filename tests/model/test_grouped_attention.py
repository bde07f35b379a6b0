"""One attention call for all images of a size: the stock module's features and gradients."""

from __future__ import annotations

import pytest
import torch
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionAttention

from instructsam.model.vlm.grouped_attention import GroupedVisionAttention, order_by_size
from instructsam.processing.processor import Sample
from tests.reference import assert_near
from tests.tiny import picture, tiny_pair

PICTURES = [picture(), picture(1).resize((96, 48)), picture(2), picture(3).resize((48, 96)), picture(4)]


def test_images_of_a_size_follow_one_another() -> None:
    assert order_by_size([4, 2, 4, 3, 2]) == [1, 4, 3, 0, 2]


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_features_and_gradients_are_those_of_the_stock_module(kernel: str) -> None:
    model, processor = tiny_pair()
    model.vlm.visual.config._attn_implementation = kernel
    inputs = processor.encode(PICTURES, [Sample(0, "the mug")])
    grouped, stock = [], []
    for features, kind in ((grouped, GroupedVisionAttention), (stock, Qwen3VLVisionAttention)):
        for block in model.vlm.visual.blocks:
            assert isinstance(block.attn, GroupedVisionAttention) or kind is Qwen3VLVisionAttention
            block.attn.__class__ = kind
        model.zero_grad(set_to_none=True)
        found = model.vlm.encode_images(inputs.pixel_values, inputs.image_grid_thw)
        features += [*found.embeds, *(image for layer in found.deepstack for image in layer)]
        torch.cat(features).square().sum().backward()
        features += [block.attn.qkv.weight.grad.clone() for block in model.vlm.visual.blocks]
    for one, other in zip(grouped, stock, strict=True):
        assert_near(one, other, 1e-5)


@torch.no_grad()
def test_an_image_has_the_features_that_it_has_alone() -> None:
    model, processor = tiny_pair()
    inputs = processor.encode(PICTURES, [Sample(0, "the mug")])
    together = model.vlm.encode_images(inputs.pixel_values, inputs.image_grid_thw)
    for number, image in enumerate(PICTURES):
        one = processor.encode([image], [Sample(0, "the mug")])
        alone = model.vlm.encode_images(one.pixel_values, one.image_grid_thw)
        assert_near(together.embeds[number], alone.embeds[0], 1e-5)
        for layer, own in zip(together.deepstack, alone.deepstack, strict=True):
            assert_near(layer[number], own[0], 1e-5)
