"""Two small bases made here become one model; every tensor comes from where the report says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Sam3Config, Sam3Model

import instructsam
from instructsam.errors import CheckpointError, InputError
from instructsam.model.queries import farthest_slots
from instructsam.processing.tokens import MASK_END, MASK_START, QUERY
from tests.tiny import picture, tiny_pair


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A Qwen3-VL without our three tokens, and a SAM3 with 12 decoder slots."""
    folder = tmp_path_factory.mktemp("bases")
    model, processor = tiny_pair()
    ours = (MASK_START, MASK_END, QUERY)
    tokenizer: Any = type(processor.tokenizer).from_pretrained(save(processor, folder / "all"))
    strip(folder / "all" / "tokenizer.json", folder / "vlm", tokenizer, ours)
    vlm_config = Qwen3VLConfig(**model.config.vlm_config.to_dict())
    vlm_config.text_config.vocab_size = processor.token_ids.mask_start  # no row for what will be added
    torch.manual_seed(1)
    Qwen3VLForConditionalGeneration(vlm_config).save_pretrained(folder / "vlm")
    sam3 = Sam3Config(**model.config.detector_config.to_dict())
    sam3.detr_decoder_config.num_queries = 12
    sam3.text_config.num_hidden_layers = 1
    sam3.text_config.hidden_size = sam3.text_config.intermediate_size = 32
    sam3.text_config.num_attention_heads = 2
    sam3.geometry_encoder_config.hidden_size = 32
    sam3.geometry_encoder_config.num_attention_heads = 2
    detector = Sam3Model(sam3)
    torch.nn.init.normal_(detector.detr_decoder.reference_points.weight)
    detector.save_pretrained(folder / "sam3")
    return folder / "vlm", folder / "sam3"


def save(processor: Any, folder: Path) -> str:
    processor.tokenizer.save_pretrained(str(folder))
    return str(folder)


def strip(tokenizer_json: Path, target: Path, tokenizer: Any, tokens: tuple[str, ...]) -> None:
    """Save a tokenizer as it was before `tokens` were added, which stand last."""
    import json

    fields = json.loads(tokenizer_json.read_text())
    fields["added_tokens"] = [token for token in fields["added_tokens"] if token["content"] not in tokens]
    target.mkdir()
    (target / "tokenizer.json").write_text(json.dumps(fields))
    (target / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"})
    )


@pytest.mark.parametrize("num_queries", [3, 12])
def test_every_part_comes_from_its_base(bases: tuple[Path, Path], num_queries: int) -> None:
    vlm, sam3 = bases
    segmenter = instructsam.build(vlm, sam3, num_queries=num_queries, device="cpu")
    model = segmenter.model
    stock_vlm = Qwen3VLForConditionalGeneration.from_pretrained(vlm)
    stock_detector = Sam3Model.from_pretrained(sam3)
    for name, tensor in stock_vlm.model.visual.state_dict().items():
        assert torch.equal(model.vlm.visual.state_dict()[name], tensor), name
    old = stock_vlm.get_input_embeddings().weight
    new = model.get_input_embeddings().weight
    assert torch.equal(new[: len(old)], old)
    assert torch.allclose(new[len(old) :], old.mean(0), atol=1e-6)
    assert len(new) % 64 == 0
    for name, tensor in stock_detector.mask_decoder.state_dict().items():
        assert torch.equal(model.detector.mask_decoder.state_dict()[name], tensor), name
    slots = model.detector.detr_decoder.reference_points.weight
    rows = stock_detector.detr_decoder.reference_points.weight
    assert slots.shape == (num_queries, 4)
    assert all(any(torch.equal(slot, row) for row in rows) for slot in slots)
    queries = model.instance_queries.weight
    assert queries.std() > 0.01
    assert torch.cdist(queries, queries).add(torch.eye(num_queries)).min() > 0.01
    assert any("3 tokens added" in line for line in segmenter.origin)
    assert any(f"{num_queries} of 12 decoder slots" in line for line in segmenter.origin)


def test_a_built_model_segments_saves_and_opens_again(bases: tuple[Path, Path], tmp_path: Path) -> None:
    segmenter = instructsam.build(*bases, num_queries=4, device="cpu", use_presence=True)
    one = segmenter.segment(picture(), phrases=["red mug"], score_threshold=0.0)
    segmenter.save(tmp_path / "model")
    again = instructsam.load(tmp_path / "model", device="cpu")
    other = again.segment(picture(), phrases=["red mug"], score_threshold=0.0)
    assert (one.instances.scores == other.instances.scores).all()
    assert again.fingerprint == segmenter.fingerprint
    assert (
        instructsam.build(*bases, num_queries=4, device="cpu", use_presence=True).fingerprint
        == again.fingerprint
    )


def test_bases_that_cannot_be_used(bases: tuple[Path, Path], tmp_path: Path) -> None:
    vlm, sam3 = bases
    with pytest.raises(InputError, match="num_queries must be a whole number from 1 to 12, got int 13"):
        instructsam.build(vlm, sam3, num_queries=13, device="cpu")
    with pytest.raises(CheckpointError, match="holds a sam3 model, expected qwen3_vl"):
        instructsam.build(sam3, sam3, device="cpu")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        instructsam.build(vlm, tmp_path, device="cpu")
    with pytest.raises(CheckpointError, match="neither an existing folder nor a hub id"):
        instructsam.build(tmp_path / "none", sam3, device="cpu")


def test_farthest_slots_are_spread() -> None:
    corners = torch.tensor([[x, y, 0.1, 0.1] for x in (0.1, 0.9) for y in (0.1, 0.9)])
    middle = torch.full((6, 4), 0.5) + torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 0.01
    boxes = torch.cat([middle, corners])
    assert set(farthest_slots(boxes, 5).tolist()) >= {6, 7, 8, 9}
    assert farthest_slots(boxes, 10).tolist() == list(range(10))


def test_an_unloaded_segmenter_says_so() -> None:
    segmenter = instructsam.Segmenter(*tiny_pair())
    segmenter.unload()
    with pytest.raises(instructsam.errors.InstructSAMError, match="was unloaded; load the model again"):
        segmenter.segment(picture(), "mug")
