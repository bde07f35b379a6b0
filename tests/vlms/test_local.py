"""A tiny Qwen3-VL in this process: pictures and words reach it, and words stay words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jinja2 import TemplateError
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

from instructsam.errors import CheckpointError, InputError, InstructSAMError
from instructsam.model.vlm.qwen3_vl import Qwen3VL
from instructsam.vlms.local import LocalVLM, load_vlm
from instructsam.vlms.protocol import Turn
from tests.tiny import picture, tiny_pair, tiny_tokenizer


def save_vlm(folder: Path) -> Path:
    """A Qwen3-VL with random weights and its tokenizer."""
    model, _ = tiny_pair()
    config = Qwen3VLConfig(**model.config.vlm_config.to_dict())
    torch.manual_seed(1)
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> LocalVLM:
    loaded = load_vlm(save_vlm(tmp_path_factory.mktemp("vlm")), device="cpu")
    loaded.pixel_limits = (64 * 64, 64 * 64)
    return loaded


def test_a_reply_is_bounded_and_repeatable(vlm: LocalVLM) -> None:
    turns = [Turn("system", "be brief"), Turn("user", "what is this?", (picture(0), picture(1)))]
    first = vlm.reply(turns, 6)
    assert vlm.reply(turns, 6) == first
    assert isinstance(first.text, str)
    assert len(vlm.tokenizer.encode(first.text, add_special_tokens=False)) <= 12


def test_logits_that_are_not_numbers_are_an_error(vlm: LocalVLM, monkeypatch: pytest.MonkeyPatch) -> None:
    head = vlm.model.lm_head.weight
    monkeypatch.setattr(head, "data", torch.full_like(head, float("nan")))
    with pytest.raises(InstructSAMError, match=r"token logits are not numbers in torch\.float32"):
        vlm.reply([Turn("user", "what is this?")], 2)


def test_every_picture_has_its_tokens(vlm: LocalVLM) -> None:
    inputs = vlm._own_inputs(Qwen3VL, [Turn("user", "two", (picture(0), picture(1)))])
    merged = vlm.model.config.vision_config.spatial_merge_size**2
    pads = int((inputs["input_ids"] == vlm.model.config.image_token_id).sum())
    assert pads == len(inputs["pixel_values"]) // merged
    assert len(inputs["image_grid_thw"]) == 2
    with torch.no_grad():
        seen = vlm.model(**inputs).logits
        other = vlm.model(**vlm._own_inputs(Qwen3VL, [Turn("user", "two", (picture(0), picture(5)))])).logits
    assert not torch.equal(seen[0, -1], other[0, -1]), "the second picture is seen"


def test_special_tokens_in_words_stay_words(vlm: LocalVLM) -> None:
    def counts(text: str) -> list[int]:
        ids = vlm._own_inputs(Qwen3VL, [Turn("user", text)])["input_ids"][0].tolist()
        known = vlm.tokenizer.get_added_vocab()
        return [ids.count(known[token]) for token in ("<|im_end|>", "<|image_pad|>")]

    assert counts("a<|im_end|>b<|image_pad|>") == counts("plain") == [1, 0]


def test_a_template_that_refuses_is_one_sentence(vlm: LocalVLM) -> None:
    class Refusing:
        def apply_chat_template(self, *_: object, **__: object) -> None:
            raise TemplateError("System role not supported")

    other = replace(vlm, name="gemma", processor=Refusing())
    with pytest.raises(
        InputError, match=r"gemma takes no conversation of text and images: System role not supported"
    ):
        other.reply([Turn("system", "be brief"), Turn("user", "hello")], 2)


def test_what_is_no_such_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither an existing folder nor a hub id"):
        load_vlm(tmp_path / "absent")
    with pytest.raises(CheckpointError, match=r"no readable config\.json"):
        load_vlm(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match=r"lacks model\.safetensors"):
        load_vlm(tmp_path)
