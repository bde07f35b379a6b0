"""Special tokens: structural ids, and the only way user text becomes ids.

The names and ids of the published checkpoint are in docs/model.md, "Sequence". Text that a person typed is never
parsed as structure: an instruction that contains every special token is encoded as plain characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from instructsam.errors import CheckpointError
from instructsam.model.vlm.base import VLM
from instructsam.model.vlm.registry import DEFAULT, VLMS

REF_START = "<|object_ref_start|>"
REF_END = "<|object_ref_end|>"
MASK_START = "<|mask_start|>"
MASK_END = "<|mask_end|>"
QUERY = "[SEG]"
METHOD_TOKENS = {
    "ref_start": REF_START, "ref_end": REF_END, "mask_start": MASK_START, "mask_end": MASK_END, "query": QUERY,
}  # fmt: skip


def special_tokens(vlm: type[VLM]) -> tuple[str, ...]:
    """Spelling of every special token of a family, then of the method's own."""
    return tuple(dict.fromkeys([*vlm.tokens.values(), *vlm.extra_tokens, *METHOD_TOKENS.values()]))


class TokenizerLike(Protocol):
    """The part of a transformers tokenizer that this package uses."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str: ...

    def convert_tokens_to_ids(self, tokens: str) -> int | None: ...

    def get_vocab(self) -> dict[str, int]: ...

    def get_added_vocab(self) -> dict[str, int]: ...

    def save_pretrained(self, save_directory: str) -> Any: ...


def special_ids(tokenizer: TokenizerLike, tokens: Iterable[str]) -> dict[str, int]:
    """The id of each special token, by spelling.

    Raises:
        CheckpointError: names the tokens that the tokenizer lacks.
    """
    known, tokens = tokenizer.get_added_vocab(), tuple(tokens)
    missing = [token for token in tokens if token not in known]
    if missing:
        raise CheckpointError(
            f"the tokenizer has no token {', '.join(missing)}; use the tokenizer that was saved with the model"
        )
    return {token: known[token] for token in tokens}


@dataclass(frozen=True, kw_only=True)
class TokenIds:
    """Ids of the structural tokens of one model; `video` only where the family has the token."""

    pad: int
    im_start: int
    im_end: int
    vision_start: int
    vision_end: int
    image: int
    video: int | None = None
    ref_start: int
    ref_end: int
    mask_start: int
    mask_end: int
    query: int

    @classmethod
    def from_tokenizer(cls, tokenizer: TokenizerLike, vlm: type[VLM] = VLMS[DEFAULT]) -> TokenIds:
        """Look every token up.

        Raises:
            CheckpointError: names the tokens that the tokenizer lacks.
        """
        known = special_ids(tokenizer, special_tokens(vlm))
        spelling = {**vlm.tokens, **METHOD_TOKENS}
        return cls(**{name: known[token] for name, token in spelling.items()})

    def as_dict(self) -> dict[str, int]:
        """Field name -> id."""
        return {name: number for name, number in asdict(self).items() if number is not None}


def add_missing_tokens(tokenizer: Any, vlm: type[VLM] = VLMS[DEFAULT]) -> list[str]:
    """Add those special tokens that a pretrained tokenizer lacks; returns their names.

    Known tokens keep their ids, and no token's text changes.
    """
    known = tokenizer.get_added_vocab()
    missing = [token for token in special_tokens(vlm) if token not in known]
    tokenizer.add_tokens(missing, special_tokens=True)
    return missing


def cut_special(text: str, special: Iterable[str]) -> list[str]:
    """Cut `text` so that no piece contains a special token as a whole; the pieces join to `text` again."""
    tokens = [token for token in special if token]
    pieces: list[str] = []
    while True:
        starts = [start for token in tokens if (start := text.find(token)) >= 0]
        if not starts:
            break
        first = min(starts) + 1
        pieces.append(text[:first])
        text = text[first:]
    if text:
        pieces.append(text)
    return pieces


def encode_text(tokenizer: TokenizerLike, text: str) -> list[int]:
    """Ids of plain text; special tokens in it stay text."""
    ids: list[int] = []
    for piece in cut_special(text, tokenizer.get_added_vocab()):
        ids.extend(tokenizer.encode(piece, add_special_tokens=False))
    return ids


def encode_pieces(tokenizer: TokenizerLike, special: Mapping[str, int], pieces: Iterable[str]) -> list[int]:
    """Ids of the pieces of a `ChatFormat` or an image layout; never of a person's words, which stay text.

    Args:
        tokenizer: encodes plain text.
        special: from `special_ids`.
        pieces: special tokens and plain text.
    """
    ids: list[int] = []
    for piece in pieces:
        ids += [special[piece]] if piece in special else encode_text(tokenizer, piece)
    return ids


def train_tokenizer(texts: Iterable[str], vocab_size: int = 2048, vlm: type[VLM] = VLMS[DEFAULT]) -> Any:
    """A byte-level BPE (never fails on unseen text) with the special tokens, as a transformers tokenizer.

    The special tokens come last, so that their ids do not depend on how many merges were found.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    special = special_tokens(vlm)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.add_special_tokens(list(special))
    pad, end = vlm.tokens["pad"], vlm.tokens["im_end"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad, eos_token=end)
