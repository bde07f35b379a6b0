"""The word list of a model folder: `words.txt`, one word per line, and the tokens that spell its words.

A model without the file writes any word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from instructsam.errors import CheckpointError
from instructsam.model.phrase_words import Lexicon, PhraseWords
from instructsam.processing.tokens import TokenizerLike
from instructsam.structures.files import reason, write_text
from instructsam.structures.model_files import wrong_content

WORDS_FILE = "words.txt"
LARGEST = 2**24  # bytes; an English dictionary has about 4 MB


def read_words(folder: str | Path) -> frozenset[str] | None:
    """The words of a model folder; None without the file.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = Path(folder) / WORDS_FILE
    if not path.is_file():
        return None
    if (problem := wrong_content(path)) is not None:
        raise CheckpointError(f"the word list is damaged: {problem}")
    try:
        if path.stat().st_size > LARGEST:
            raise CheckpointError(f"{path} is damaged: expected at most {LARGEST:,} bytes of words")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({reason(error)})") from error
    words = frozenset(line.strip() for line in lines) - {""}
    if wrong := next((word for word in sorted(words) if len(word.split()) > 1), None):
        raise CheckpointError(f"{path} is damaged: expected one word per line, got {wrong[:60]!r}")
    if not words:
        raise CheckpointError(f"{path} is damaged: expected one word per line, got blank lines")
    return words


def save_words(words: Collection[str] | None, folder: str | Path) -> None:
    """Write `words.txt` into a model folder; does nothing for None."""
    if words is not None:
        write_text(Path(folder) / WORDS_FILE, "".join(f"{word}\n" for word in sorted(words)))


def phrase_words(tokenizer: TokenizerLike, structural: Collection[int], words: Iterable[str]) -> PhraseWords:
    """The allowed words for the tokens of a tokenizer.

    Args:
        tokenizer: a byte-level BPE.
        structural: ids of its special tokens.
        words: the word list.

    Raises:
        CheckpointError: the tokenizer is of another type.
    """
    return PhraseWords(token_spellings(tokenizer), frozenset(structural), (Lexicon(words),))


def token_spellings(tokenizer: TokenizerLike) -> dict[int, bytes]:
    """The bytes of every token of a byte-level BPE, without added tokens.

    Raises:
        CheckpointError: a token is spelled with letters that no byte-level BPE has.
    """
    from tokenizers.pre_tokenizers import ByteLevel

    letters = set(ByteLevel.alphabet())
    table = {chr(byte): byte for byte in range(256) if chr(byte) in letters}
    others = sorted(set(range(256)) - set(table.values()))
    table |= {chr(256 + number): byte for number, byte in enumerate(others)}
    added = tokenizer.get_added_vocab()
    try:
        return {
            number: bytes(table[letter] for letter in token)
            for token, number in tokenizer.get_vocab().items()
            if token not in added
        }
    except KeyError as error:
        raise CheckpointError(
            f"{WORDS_FILE} needs a byte-level BPE tokenizer, got one with {error} in a token: remove the file, or load "
            "with real_words=False"
        ) from error
