"""User text is never structure, and the tokenizer never fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructsam.errors import CheckpointError
from instructsam.model.vlm.qwen3_vl import Qwen3VL
from instructsam.processing.tokens import TokenIds, cut_special, encode_text, special_tokens, train_tokenizer
from tests.tiny import tiny_tokenizer

SPECIAL_TOKENS = special_tokens(Qwen3VL)
STRUCTURE = st.sampled_from(SPECIAL_TOKENS)


@given(st.lists(st.one_of(STRUCTURE, st.text(max_size=8)), max_size=6).map("".join))
def test_pieces_join_and_hold_no_token(text: str) -> None:
    pieces = cut_special(text, SPECIAL_TOKENS)
    assert "".join(pieces) == text
    assert not [token for piece in pieces for token in SPECIAL_TOKENS if token in piece]


@given(st.lists(st.one_of(STRUCTURE, st.text(max_size=8)), max_size=6).map("".join))
def test_text_stays_text(text: str) -> None:
    tokenizer = tiny_tokenizer()
    ids = encode_text(tokenizer, text)
    assert not set(ids) & set(tokenizer.get_added_vocab().values())
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_every_special_token_at_once() -> None:
    tokenizer = tiny_tokenizer()
    text = "".join(SPECIAL_TOKENS)
    plain = tokenizer.encode(text, add_special_tokens=False)
    assert set(plain) <= set(tokenizer.get_added_vocab().values())  # what would have happened
    assert not set(encode_text(tokenizer, text)) & set(plain)


@pytest.mark.parametrize("text", ["wörter", "图片里的红杯子", "🫖🍎", "\x00\t\n", "a" * 500])
def test_never_fails_on_unseen_text(text: str) -> None:
    tokenizer = tiny_tokenizer()
    assert tokenizer.decode(encode_text(tokenizer, text), skip_special_tokens=False) == text


def test_special_ids_come_last() -> None:
    tokenizer = train_tokenizer(["one two three"] * 3, vocab_size=300)
    ids = list(TokenIds.from_tokenizer(tokenizer).as_dict().values())
    assert sorted(ids) == list(range(len(tokenizer) - len(SPECIAL_TOKENS), len(tokenizer)))


def test_missing_tokens_are_named() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()))
    with pytest.raises(CheckpointError, match=r"no token .*<\|mask_start\|>"):
        TokenIds.from_tokenizer(bare)
