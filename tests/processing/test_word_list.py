"""The word list of a model folder, and the bytes of its tokens."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from instructsam.checkpoints.processors import load_processor
from instructsam.errors import CheckpointError
from instructsam.inference.segmenter import Segmenter
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.word_list import phrase_words, read_words, save_words, token_spellings
from tests.tiny import tiny_pair, tiny_tokenizer


def test_spellings_are_the_bytes_of_the_text() -> None:
    tokenizer = tiny_tokenizer()
    spellings = token_spellings(tokenizer)
    text = "segment the red mügs, 杯子 🍎\n"
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert b"".join(spellings[token] for token in ids) == text.encode()
    assert sorted(spelling for spelling in spellings.values() if len(spelling) == 1) == [
        bytes([byte]) for byte in range(256)
    ]
    assert not spellings.keys() & set(tokenizer.get_added_vocab().values())


def test_another_type_of_tokenizer_is_refused() -> None:
    sentencepiece: Any = SimpleNamespace(get_vocab=lambda: {"▁mug": 0}, get_added_vocab=dict)
    with pytest.raises(CheckpointError, match=r"words\.txt needs a byte-level BPE"):
        phrase_words(sentencepiece, (), ["mug"])


def test_the_list_is_saved_and_loaded_with_the_model(tmp_path: Path) -> None:
    model, processor = tiny_pair()
    Segmenter(model, processor).save(tmp_path)
    assert load_processor(tmp_path).words is None
    assert not (tmp_path / "words.txt").exists()
    Segmenter(model, processor.with_words(["mug", "crème"])).save(tmp_path)
    assert (tmp_path / "words.txt").read_text(encoding="utf-8") == "crème\nmug\n"
    assert load_processor(tmp_path).words == {"mug", "crème"}
    assert InstructSAMProcessor.from_pretrained(tmp_path).words == {"mug", "crème"}
    Segmenter(model, processor).save(tmp_path)
    assert load_processor(tmp_path).words is None


def test_the_list_of_an_adapter_replaces_that_of_its_base(tmp_path: Path) -> None:
    model, processor = tiny_pair()
    Segmenter(model, processor.with_words(["mug"])).save(tmp_path / "base")
    (tmp_path / "adapter").mkdir()
    assert load_processor(tmp_path / "base", tmp_path / "adapter").words == {"mug"}
    save_words(["mug", "helmet"], tmp_path / "adapter")
    assert load_processor(tmp_path / "base", tmp_path / "adapter").words == {"mug", "helmet"}


def test_a_list_from_any_editor_is_read(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes("\ufeffmug\r\n\r\n tasse \r\ncup".encode())
    assert read_words(tmp_path) == {"mug", "tasse", "cup"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\r\n \n", "expected one word per line, got blank lines"),
        (b"mug\nred mug\n", "expected one word per line, got 'red mug'"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_a_damaged_list_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "words.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        read_words(tmp_path)
