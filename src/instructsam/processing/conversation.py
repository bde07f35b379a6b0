"""Instruction and phrases <-> chat ids: one function for training and for inference.

The user turn with the image and the instruction, and the assistant turn with, per phrase,
`<|object_ref_start|>phrase<|object_ref_end|><|mask_start|>[SEG]*Q<|mask_end|>`, joined by `, ` (docs/model.md,
"Sequence"). How turns open and close is the VLM family's `ChatFormat`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from instructsam.model.vlm.base import VLM
from instructsam.model.vlm.registry import DEFAULT, VLMS
from instructsam.processing.tokens import (
    TokenIds,
    TokenizerLike,
    encode_pieces,
    encode_text,
    special_ids,
    special_tokens,
)

IGNORE = -100
MAX_PHRASE_TOKENS = 32


@dataclass
class Conversation:
    """Ids of one sample, all lists of the same length L except `phrase_ids`.

    Attributes:
        ids: token ids.
        labels: next-token supervision, -100 where there is none ([SEG], mask_end, the user turn).
        block_ids: index of the query block at its Q positions, -1 elsewhere.
        phrase_ids: for each query block its phrase's token ids, at most 32.
    """

    ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    block_ids: list[int] = field(default_factory=list)
    phrase_ids: list[list[int]] = field(default_factory=list)

    def add(self, ids: Sequence[int], supervised: bool = False, block: int = -1) -> None:
        """Append `ids`, all of them supervised or none, all of one query block or none."""
        self.ids.extend(ids)
        self.labels.extend(ids if supervised else [IGNORE] * len(ids))
        self.block_ids.extend([block] * len(ids))


class ConversationEncoder:
    """Writes conversations for one tokenizer and one number of queries; `separator` stands between phrases."""

    def __init__(
        self,
        tokenizer: TokenizerLike,
        token_ids: TokenIds,
        num_queries: int,
        vlm: type[VLM] = VLMS[DEFAULT],
    ) -> None:
        self.tokenizer = tokenizer
        self.token_ids = token_ids
        self.num_queries = num_queries
        self._pieces = partial(encode_pieces, tokenizer, special_ids(tokenizer, special_tokens(vlm)))
        self._user = self._pieces([*vlm.chat.begin, *vlm.chat.roles["user"]])
        self._assistant = self._pieces([*vlm.chat.end, *vlm.chat.roles["assistant"]])
        self.separator = encode_text(tokenizer, ", ")

    def prompt(self, instruction_ids: Sequence[int], image_layout: Iterable[str]) -> Conversation:
        """The user turn and the opened assistant turn; nothing supervised.

        Args:
            instruction_ids: token ids of the instruction.
            image_layout: from `VLM.image_layout`.
        """
        conversation = Conversation()
        conversation.add(self._user)
        conversation.add(self._pieces(image_layout))
        conversation.add(instruction_ids)
        conversation.add(self._assistant)
        return conversation

    def add_reply(
        self,
        conversation: Conversation,
        phrases: Sequence[Sequence[int]],
        supervise_text: bool = True,
        blocks: Sequence[int] | None = None,
    ) -> None:
        """Write the assistant turn: one query block per phrase, then the end of the turn.

        Args:
            conversation: the prompt.
            phrases: token ids of each phrase.
            supervise_text: whether the reply's words are supervised.
            blocks: for `token_per_instance` the number of blocks of each phrase. Whether another one follows is then
                for the text to say, and supervised even where its words are not.
        """
        tokens = self.token_ids
        counts = [1] * len(phrases) if blocks is None else blocks
        for index, (phrase, count) in enumerate(zip(phrases, counts, strict=True)):
            if index:
                conversation.add(self.separator, supervise_text)
            conversation.add([tokens.ref_start, *phrase, tokens.ref_end], supervise_text)
            for number in range(count):
                conversation.add([tokens.mask_start], supervise_text or number > 0)
                block = len(conversation.phrase_ids)
                conversation.add([tokens.query] * self.num_queries, block=block)
                conversation.add([tokens.mask_end])
                conversation.phrase_ids.append(list(phrase[:MAX_PHRASE_TOKENS]))
        conversation.add([tokens.im_end], supervise_text or blocks is not None)

    def add_text(self, conversation: Conversation, text_ids: Sequence[int]) -> None:
        """Write an assistant turn of plain text, without any phrase."""
        conversation.add([*text_ids, self.token_ids.im_end], supervised=True)
