"""A tokenizer that grows keeps what it knew and reads new words as one token."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from instructsam.errors import ConfigError
from instructsam.processing.tokens import REF_START, encode_text, train_tokenizer
from instructsam.processing.vocabulary import extend_tokenizer

OLD = ["find the red mug", "segment the blue car", "the mug left of the car"] * 3
NEW = [
    "fetch me the Honeycrisp apples",
    "the Honeycrisp apple, please fetch it",
    "I am thirsty, so thirsty",
] * 3


def test_known_texts_keep_their_tokens_and_new_words_become_one() -> None:
    tokenizer = train_tokenizer(OLD, 330)
    before = {text: encode_text(tokenizer, text) for text in OLD}
    pieces = encode_text(tokenizer, " thirsty")
    replaced = extend_tokenizer(tokenizer, [*OLD, *NEW], 420)
    assert {text: encode_text(tokenizer, text) for text in OLD} == before
    (token,) = encode_text(tokenizer, " thirsty")
    assert replaced[token] == pieces


def test_every_text_is_still_decoded_to_itself_and_special_tokens_come_last() -> None:
    tokenizer = train_tokenizer(OLD, 330)
    special = sorted(tokenizer.get_added_vocab().values())
    replaced = extend_tokenizer(tokenizer, NEW, 400)
    size = len(tokenizer)
    assert sorted(tokenizer.get_added_vocab().values()) == list(range(size - len(special), size))
    assert [replaced[token] for token in range(size - len(special), size)] == [[old] for old in special]
    for text in ("Honeycrisp 漢字 ünï \n  two  spaces", f"a {REF_START} in a text"):
        assert tokenizer.decode(encode_text(tokenizer, text), skip_special_tokens=False) == text
    assert tokenizer.get_added_vocab()[REF_START] not in encode_text(tokenizer, f"a {REF_START} in a text")


def test_special_tokens_that_are_not_last_are_refused() -> None:
    tokenizer = train_tokenizer(OLD, 330)
    tokenizer.backend_tokenizer.add_special_tokens(["t"])
    with pytest.raises(ConfigError, match="whose special tokens have the largest ids"):
        extend_tokenizer(tokenizer, NEW, 400)


def test_another_type_of_tokenizer_is_refused() -> None:
    for other in (SimpleNamespace(), SimpleNamespace(backend_tokenizer=Tokenizer(WordPiece()))):
        with pytest.raises(ConfigError, match="needs a BPE tokenizer with the pre-tokenizer ByteLevel, got "):
            extend_tokenizer(other, NEW, 400)


def test_a_size_that_does_not_grow_is_rejected() -> None:
    tokenizer = train_tokenizer(OLD, 330)
    with pytest.raises(ConfigError, match="must be above the tokenizer's"):
        extend_tokenizer(tokenizer, NEW, len(tokenizer))
