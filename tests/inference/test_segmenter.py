"""Every way of asking, on a tiny model with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from instructsam.errors import ImageError, InputError
from instructsam.inference.segmenter import Segmenter
from instructsam.model.vlm.qwen3_vl import Qwen3VL
from instructsam.processing.tokens import special_tokens
from instructsam.structures.predictions import Prediction
from tests.tiny import picture, same, tiny_pair


def test_one_image_one_instruction(segmenter: Segmenter) -> None:
    prediction = segmenter.segment(picture(), "the red mugs", score_threshold=0.0)
    assert isinstance(prediction, Prediction)
    assert prediction.original_size == (64, 80)
    assert prediction.instances.masks.shape[1:] == (64, 80)
    assert prediction.phrases == ("the red mugs",)
    assert prediction.instruction == "the red mugs"
    assert (np.diff(prediction.instances.scores) <= 0).all()


def test_sources_are_alike(segmenter: Segmenter, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    picture().save(path)
    for source in (str(path), path, picture(), np.asarray(picture())):
        same(
            segmenter.segment(source, "kite", score_threshold=0.0),
            segmenter.segment(picture(), "kite", score_threshold=0.0),
        )


def test_lists_in_lists_out(segmenter: Segmenter) -> None:
    images, texts = [picture(1), picture(2, 48, 96)], ["the red mugs", "what can fly?"]
    pairs = segmenter.segment(images, texts, score_threshold=0.0)
    assert [p.instruction for p in pairs] == texts
    for image, text, prediction in zip(images, texts, pairs, strict=True):
        same(segmenter.segment(image, text, score_threshold=0.0), prediction)
    broadcast = segmenter.segment(images, "kite", score_threshold=0.0)
    assert [p.original_size for p in broadcast] == [(64, 80), (96, 48)]
    assert segmenter.segment([], "kite") == []
    assert len(segmenter.segment([picture()], "kite")) == 1


@pytest.mark.parametrize("mode", ["direct", "generate"])
def test_one_image_many_instructions(segmenter: Segmenter, mode: str) -> None:
    texts = ["the red mugs", "a", "everything but the kite", "what can fly?", "blue car"]
    many = segmenter.segment(picture(), texts, score_threshold=0.0, mode=mode, batch_size=2, max_new_tokens=8)
    assert [p.instruction for p in many] == texts
    for text, prediction in zip(texts, many, strict=True):
        alone = segmenter.segment(picture(), text, score_threshold=0.0, mode=mode, max_new_tokens=8)
        same(alone, prediction)


def test_one_image_is_encoded_once(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    encode = segmenter.model.encode_images

    def counting(pixels, grid, squares):
        seen.append(len(squares))
        return encode(pixels, grid, squares)

    monkeypatch.setattr(segmenter.model, "encode_images", counting)
    segmenter.segment(picture(), ["a", "b", "c"])
    segmenter.segment(picture(), ["a", "b", "c"], batch_size=1)
    assert seen == [1, 1]
    segmenter.segment([picture(), picture(1)], ["a", "b"], batch_size=1)
    assert seen == [1, 1, 1, 1]


def test_the_detector_takes_a_few_phrases_at_a_time(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    phrases = ["red mug", "plate", "kite", "blue car", "what can fly"]
    whole = segmenter.segment(picture(), phrases=phrases, score_threshold=0.0)
    sizes: list[int] = []
    detect = segmenter.model.detect

    def counting(states, ids, mask, features):
        sizes.append(len(states))
        return detect(states, ids, mask, features)

    monkeypatch.setattr(segmenter.model, "detect", counting)
    monkeypatch.setattr("instructsam.inference.batch_segmenter.PHRASES_AT_ONCE", 2)
    same(segmenter.segment(picture(), phrases=phrases, score_threshold=0.0), whole)
    assert sizes == [2, 2, 1]


def test_phrases_given(segmenter: Segmenter) -> None:
    prediction = segmenter.segment(picture(), phrases=["red mug", "plate"], score_threshold=0.0)
    assert prediction.phrases == ("red mug", "plate")
    assert set(prediction.instances.phrase_ids) == {0, 1}
    assert prediction.text == ""  # nothing was written
    with_words = segmenter.segment(picture(), "set the table", phrases=["red mug"])
    assert with_words.instruction == "set the table"
    assert len(segmenter.segment([picture(), picture(1)], phrases=["kite"])) == 2


@pytest.mark.slow
def test_compiled_answers_are_the_same() -> None:
    plain, compiled = Segmenter(*tiny_pair()), Segmenter(*tiny_pair())
    traced: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable[..., object]:
        traced.append(len(list(graph.graph.nodes)))
        return graph.forward

    compiled.compile(backend=backend)
    question = {"phrases": ["red mug", "kite"], "score_threshold": 0.0}
    same(compiled.segment(picture(), **question), plain.segment(picture(), **question))
    assert traced


def test_status(segmenter: Segmenter) -> None:
    assert segmenter.segment(picture(), "kite", score_threshold=1.0).status == "no_target"
    assert (
        segmenter.segment(picture(), "kite", score_threshold=0.0, mask_threshold=-1e6).status == "saturated"
    )
    cut = segmenter.segment(picture(), "kite", mode="generate", max_new_tokens=1)
    assert cut.status == "truncated"


def test_an_answer_names_the_mode_taken_and_its_slots(segmenter: Segmenter) -> None:
    taken = [segmenter.segment(picture(), "kite", mode=mode) for mode in ("auto", "direct", "generate")]
    assert [one.mode for one in taken] == [segmenter.default_mode, "direct", "generate"]
    assert segmenter.segment(picture(), phrases=["kite"]).mode == "phrases"
    full = segmenter.segment(picture(), "kite", score_threshold=0.0, mask_threshold=-1e6)
    assert full.num_queries == segmenter.model.config.num_queries == full.queries_used[0]
    assert full.remark == f"{full.num_queries} of {full.num_queries} slots used, there may be more"


@pytest.mark.parametrize("mode", ["direct", "generate"])
def test_special_tokens_are_plain_text(segmenter: Segmenter, mode: str) -> None:
    text = "".join(special_tokens(Qwen3VL))
    prediction = segmenter.segment(picture(), text, mode=mode, max_new_tokens=4)
    assert prediction.instruction == text
    if mode == "direct":
        assert prediction.phrases == (text,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("",), "instruction is empty"),
        (("  \n",), "instruction is empty"),
        (("word " * 2000,), "this model takes at most 256; shorten it"),
        ((), "say what to segment"),
        ((["a", "b"],), None),
    ],
)
def test_instructions_that_cannot_be_used(
    segmenter: Segmenter, arguments: tuple, message: str | None
) -> None:
    if message is None:
        with pytest.raises(InputError, match="3 images needs one instruction or 3 of them, got 2"):
            segmenter.segment([picture()] * 3, *arguments)
        return
    with pytest.raises(InputError, match=message):
        segmenter.segment(picture(), *arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "fast"}, "mode must be one of auto, generate, direct, got 'fast'"),
        ({"batch_size": 0}, "batch_size must be a whole number from 1"),
        ({"phrases": "mug"}, r"phrases must be a list of phrases, got the string 'mug'"),
        ({"phrases": []}, "non-empty phrases"),
        ({"phrases": ["mug", " "]}, r"phrases\[1\] is empty"),
        ({"phrases": ["mug " * 2000]}, r"phrases\[0\] has .* takes at most 256; shorten it"),
    ],
)
def test_options_that_cannot_be_used(segmenter: Segmenter, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        segmenter.segment(picture(), "kite", **options)


def test_unreadable_image(segmenter: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        segmenter.segment(tmp_path / "none.png", "kite")


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
def test_specks_and_slivers(segmenter: Segmenter, size: tuple[int, int]) -> None:
    prediction = segmenter.segment(picture().resize(size), "kite", score_threshold=0.0)
    assert prediction.instances.masks.shape[1:] == (size[1], size[0])


def test_fingerprints_tell_models_apart(segmenter: Segmenter) -> None:
    assert segmenter.fingerprint == Segmenter(*tiny_pair()).fingerprint
    assert segmenter.fingerprint != Segmenter(*tiny_pair(seed=1)).fingerprint
    model, processor = tiny_pair()
    assert Segmenter(model.to(torch.bfloat16), processor).fingerprint == segmenter.fingerprint


def test_bfloat16_weights_answer_like_float32(segmenter: Segmenter) -> None:
    model, processor = tiny_pair()
    rough = Segmenter(model.to(torch.bfloat16), processor).segment(picture(), "kite", score_threshold=0.0)
    fine = segmenter.segment(picture(), "kite", score_threshold=0.0)
    assert len(rough.instances) == len(fine.instances)
    assert np.allclose(rough.instances.scores, fine.instances.scores, atol=0.05)


def test_what_the_detector_does_not_hear_is_said(segmenter: Segmenter) -> None:
    long = "the red mugs that stand beside the yellow banana and behind every one of the other things"
    assert any("first 32 tokens" in note for note in segmenter.segment(picture(), long).notes)
    assert segmenter.segment(picture(), "mugs").notes == ()
    silent = segmenter.segment(picture(), "mugs", mode="generate", max_new_tokens=1)
    assert any("names no phrase" in note for note in silent.notes)
