"""The same conversation for training and for inference."""

from __future__ import annotations

from instructsam.processing.conversation import IGNORE, ConversationEncoder
from instructsam.processing.tokens import TokenIds, encode_text
from tests.tiny import tiny_tokenizer

TOKENIZER = tiny_tokenizer()
IDS = TokenIds.from_tokenizer(TOKENIZER)
LAYOUT = ["<|vision_start|>", "<|image_pad|>", "<|image_pad|>", "<|vision_end|>"]
ENCODER = ConversationEncoder(TOKENIZER, IDS, num_queries=3)


def written(*phrases: str, supervise: bool = True):
    conversation = ENCODER.prompt(encode_text(TOKENIZER, "the red mugs"), LAYOUT)
    ENCODER.add_reply(conversation, [encode_text(TOKENIZER, phrase) for phrase in phrases], supervise)
    return conversation


def test_layout_as_specified() -> None:
    text = TOKENIZER.decode(written("red mug", "kite").ids, skip_special_tokens=False)
    assert text == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|image_pad|><|vision_end|>the red mugs<|im_end|>\n"
        "<|im_start|>assistant\n"
        "<|object_ref_start|>red mug<|object_ref_end|><|mask_start|>[SEG][SEG][SEG]<|mask_end|>, "
        "<|object_ref_start|>kite<|object_ref_end|><|mask_start|>[SEG][SEG][SEG]<|mask_end|><|im_end|>"
    )


def test_labels_and_blocks() -> None:
    conversation = written("red mug", "kite")
    assert len(conversation.ids) == len(conversation.labels) == len(conversation.block_ids)
    assert [b for b in conversation.block_ids if b >= 0] == [0, 0, 0, 1, 1, 1]
    for token, label, block in zip(
        conversation.ids, conversation.labels, conversation.block_ids, strict=True
    ):
        assert (block >= 0) == (token == IDS.query)
        assert label in (IGNORE, token)
        if token in (IDS.query, IDS.mask_end, IDS.image):
            assert label == IGNORE
        if token in (IDS.mask_start, IDS.ref_start, IDS.ref_end):
            assert label == token
    prompt = ENCODER.prompt(encode_text(TOKENIZER, "the red mugs"), LAYOUT)
    assert conversation.ids[: len(prompt.ids)] == prompt.ids
    assert set(prompt.labels) == {IGNORE}


def test_direct_samples_supervise_no_text() -> None:
    assert set(written("the red mugs", supervise=False).labels) == {IGNORE}


def test_long_phrases_are_cut_for_the_detector_only() -> None:
    long = written("red " * 60)
    assert len(long.phrase_ids[0]) == 32
    assert len(long.ids) > 60
