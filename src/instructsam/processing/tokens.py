"""Special tokens: the only place where they are spelled, and the only way user text becomes ids.

Names and ids of the published checkpoint: docs/model.md, "Sequence". Text that a person typed is never parsed as
structure: an instruction that contains every special token is encoded as plain characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

END_OF_TEXT = "<|endoftext|>"
IM_START = "<|im_start|>"
IM_END = "<|im_end|>"
VISION_START = "<|vision_start|>"
VISION_END = "<|vision_end|>"
IMAGE_PAD = "<|image_pad|>"
VIDEO_PAD = "<|video_pad|>"
REF_START = "<|object_ref_start|>"
REF_END = "<|object_ref_end|>"
MASK_START = "<|mask_start|>"
MASK_END = "<|mask_end|>"
QUERY = "[SEG]"

SPECIAL_TOKENS: tuple[str, ...] = (
    END_OF_TEXT, IM_START, IM_END, VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD,
    REF_START, REF_END, MASK_START, MASK_END, QUERY,
)  # fmt: skip


class TokenizerLike(Protocol):
    """The part of a transformers tokenizer that this package uses."""

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str: ...

    def convert_tokens_to_ids(self, tokens: str) -> int | None: ...

    def get_added_vocab(self) -> dict[str, int]: ...

    def save_pretrained(self, save_directory: str) -> Any: ...


@dataclass(frozen=True)
class TokenIds:
    """Ids of the structural tokens of one model."""

    pad: int
    im_start: int
    im_end: int
    vision_start: int
    vision_end: int
    image: int
    video: int
    ref_start: int
    ref_end: int
    mask_start: int
    mask_end: int
    query: int

    @classmethod
    def from_tokenizer(cls, tokenizer: TokenizerLike) -> TokenIds:
        """Look every token up; a tokenizer without one of them is refused by name."""
        spelled = {
            "pad": END_OF_TEXT, "im_start": IM_START, "im_end": IM_END, "vision_start": VISION_START,
            "vision_end": VISION_END, "image": IMAGE_PAD, "video": VIDEO_PAD, "ref_start": REF_START,
            "ref_end": REF_END, "mask_start": MASK_START, "mask_end": MASK_END, "query": QUERY,
        }  # fmt: skip
        known = tokenizer.get_added_vocab()
        missing = [token for token in spelled.values() if token not in known]
        if missing:
            from instructsam.errors import CheckpointError

            raise CheckpointError(
                f"the tokenizer has no token {', '.join(missing)}; use the tokenizer saved with an InstructSAM model"
            )
        return cls(**{name: known[token] for name, token in spelled.items()})

    def as_dict(self) -> dict[str, int]:
        """Field name -> id."""
        return asdict(self)


def add_missing_tokens(tokenizer: Any) -> list[str]:
    """Give a Qwen tokenizer those of our special tokens that it lacks; the names added.

    Known tokens keep their ids, and no token's text changes.
    """
    known = tokenizer.get_added_vocab()
    missing = [token for token in SPECIAL_TOKENS if token not in known]
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


def train_tokenizer(texts: Iterable[str], vocab_size: int = 2048) -> Any:
    """A byte-level BPE (never fails on unseen text) with our special tokens, as a transformers tokenizer.

    The special tokens come last, so that their ids do not depend on how many merges were found.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=END_OF_TEXT, eos_token=IM_END)
