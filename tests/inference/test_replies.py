"""What a caller gets for every kind of reply: none of them raises, and each is told apart from the others."""

from __future__ import annotations

import pytest

from instructsam.inference.segmenter import Segmenter
from instructsam.structures.predictions import Prediction
from tests.model.test_generation import Scripted, script
from tests.tiny import picture, tiny_pair


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(*tiny_pair())


def answer(segmenter: Segmenter, tokens: list[int], **options: int) -> Prediction:
    """The prediction when the model writes exactly these tokens."""
    vocabulary = segmenter.model.get_input_embeddings().weight.shape[0]
    segmenter.model.lm_head = Scripted([tokens], vocabulary)  # type: ignore[assignment]
    return segmenter.segment(picture(), "the red mugs", mode="generate", score_threshold=0.0, **options)


def words(segmenter: Segmenter, text: str) -> list[int]:
    found: list[int] = segmenter.processor.tokenizer.encode(text, add_special_tokens=False)
    return found


def test_phrases(segmenter: Segmenter) -> None:
    said = answer(segmenter, script(segmenter.processor, "red mug", "kite"))
    assert said.phrases == ("red mug", "kite")
    assert set(said.instances.phrase_ids) == {0, 1}


def test_text_without_phrases(segmenter: Segmenter) -> None:
    end = segmenter.processor.token_ids.im_end
    said = answer(segmenter, [*words(segmenter, "there is no mug here"), end])
    assert (said.status, said.text, said.phrases) == ("no_target", "there is no mug here", ())
    assert len(said.instances) == 0
    assert "names no phrase" in said.notes[0]


def test_an_empty_reply(segmenter: Segmenter) -> None:
    said = answer(segmenter, [segmenter.processor.token_ids.im_end])
    assert (said.status, said.text) == ("no_target", "")


def test_malformed_replies(segmenter: Segmenter) -> None:
    ids = segmenter.processor.token_ids
    mug = words(segmenter, "red mug")
    for tokens in ([*mug, ids.ref_end], [ids.ref_start, ids.ref_end], [ids.ref_start, *mug]):
        said = answer(segmenter, [*tokens, ids.im_end])
        assert said.status == "malformed"
        assert "malformed" in said.notes[0]
    nested = answer(
        segmenter, [ids.ref_start, *words(segmenter, "kite"), *script(segmenter.processor, "car")]
    )
    assert nested.phrases == ("car",)
    assert nested.status in ("ok", "saturated")
    assert "malformed" in nested.notes[0]


def test_limits_are_said(segmenter: Segmenter) -> None:
    tokens = script(segmenter.processor, "red mug", "kite", "car")
    capped = answer(segmenter, tokens, max_phrases=2)
    assert (capped.status, capped.phrases) == ("truncated", ("red mug", "kite"))
    cut = answer(segmenter, tokens, max_new_tokens=3)
    assert (cut.status, cut.phrases) == ("truncated", ())


def test_a_phrase_of_a_hundred_tokens(segmenter: Segmenter) -> None:
    long = " ".join(["mug"] * 100)
    tokens = script(segmenter.processor, long)
    assert len(tokens) >= 100
    said = answer(segmenter, tokens, max_new_tokens=len(tokens) + 1)
    assert said.phrases == (long,)
    assert said.status in ("ok", "saturated")
    assert any("the detector reads the first 32 tokens" in note for note in said.notes)
    given = segmenter.segment(picture(), phrases=[long], score_threshold=0.0)
    assert len(given.instances) > 0
