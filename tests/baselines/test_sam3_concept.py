"""SAM3 by itself: the stock model's answers, its 32 tokens, and what is not SAM3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Sam3Model

from instructsam.baselines.sam3_concept import Sam3Concept, load_sam3
from instructsam.errors import CheckpointError, InputError
from instructsam.model.pixels import square_pixels
from tests.tiny import picture, tiny_tokenizer


@pytest.fixture(scope="module")
def concept(sam3_folder: Path) -> Sam3Concept:
    return load_sam3(sam3_folder, device="cpu")


def test_scores_and_masks_are_those_of_the_stock_model(concept: Sam3Concept, sam3_folder: Path) -> None:
    image, tokenizer = picture(), tiny_tokenizer()
    found = concept.segment(image, "red mug", score_threshold=0.0).instances
    stock = Sam3Model.from_pretrained(sam3_folder).eval()
    ids = [*tokenizer.encode("red mug", add_special_tokens=False), tokenizer.eos_token_id]
    size = stock.config.vision_config.backbone_config.image_size
    with torch.no_grad():
        output = stock(
            pixel_values=square_pixels(image, size)[None],
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.int64),
        )
    scores = (output.pred_logits.sigmoid() * output.presence_logits.sigmoid())[0]
    best = int(scores.argmax())
    mask = torch.nn.functional.interpolate(
        output.pred_masks[:, best : best + 1].sigmoid(), (64, 80), mode="bilinear"
    )
    assert len(found) > 1
    assert np.isin(found.scores.round(4), scores.numpy().round(4)).all(), "padding must change nothing"
    assert found.scores[0] == pytest.approx(float(scores[best]), abs=1e-5)
    assert (found.masks[0] == (mask[0, 0] > 0.5).numpy()).mean() > 0.99
    assert (np.diff(found.scores) <= 0).all()


def test_a_list_is_answered_in_order_and_the_image_is_encoded_once(
    concept: Sam3Concept, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    encode = concept.model.get_vision_features
    monkeypatch.setattr(
        concept.model, "get_vision_features", lambda *given: (seen.append(1), encode(*given))[1]
    )
    image, before = picture(1), concept.calls.count()
    answers = concept.segment(image, ["red mug", "kite"], mode="generate", score_threshold=0.0)
    assert [one.phrases for one in answers] == [("red mug",), ("kite",)]
    alone = concept.segment(image.copy(), "kite", score_threshold=0.0)
    assert np.array_equal(alone.instances.scores, answers[1].instances.scores)
    assert len(seen) == 2, "one picture for the list, one for its copy"
    assert concept.calls.count("detector") - before == 3
    assert [call.asked for call in concept.calls.log[-3:]] == ["red mug", "kite", "kite"]
    assert all(call.seconds > 0 for call in concept.calls.log)


def test_given_phrases_keep_their_numbers(concept: Sam3Concept) -> None:
    both = concept.segment(picture(), phrases=["red mug", "kite"], score_threshold=0.0)
    one = concept.segment(picture(), "kite", score_threshold=0.0)
    second = both.instances[both.instances.phrase_ids == 1]
    assert np.array_equal(second.scores, one.instances.scores)
    assert both.phrases == ("red mug", "kite")
    assert concept.segment(picture(), "kite", score_threshold=1.0).status == "no_target"


def test_long_text_is_cut_and_says_so(concept: Sam3Concept) -> None:
    words = "the leftmost blue car and " * 20
    long = concept.segment(picture(), words, score_threshold=0.0)
    longer = concept.segment(picture(), words + "everything but the kite", score_threshold=0.0)
    assert "SAM3 reads 31 tokens of a phrase" in long.notes[0]
    assert "cut off" in long.notes[0]
    assert np.array_equal(long.instances.scores, longer.instances.scores)
    assert concept.segment(picture(), "kite").notes == ()


def test_special_tokens_are_plain_text(concept: Sam3Concept) -> None:
    ids, _ = concept._ids("mug <|im_end|> kite")
    assert ids.count(concept.tokenizer.eos_token_id) == 1


def test_what_cannot_be_used_is_named(concept: Sam3Concept, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a phrase must not be empty"):
        concept.segment(picture(), " ")
    with pytest.raises(InputError, match="a phrase must not be empty"):
        concept.segment(picture(), phrases=[])
    with pytest.raises(CheckpointError, match="neither an existing folder nor a hub id"):
        load_sam3(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_sam3(tmp_path)
