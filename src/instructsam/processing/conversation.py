"""Instruction and phrases <-> chat ids: one function for training and for inference.

`<|im_start|>user\\n<image>instruction<|im_end|>\\n<|im_start|>assistant\\n` and then, per phrase,
`<|object_ref_start|>phrase<|object_ref_end|><|mask_start|>[SEG]*Q<|mask_end|>`, joined by `, ` and closed by
`<|im_end|>` (docs/model.md, "Sequence").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from instructsam.processing.tokens import TokenIds, TokenizerLike, encode_text

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

    def __init__(self, tokenizer: TokenizerLike, token_ids: TokenIds, num_queries: int) -> None:
        self.tokenizer = tokenizer
        self.token_ids = token_ids
        self.num_queries = num_queries
        self._user = [token_ids.im_start, *encode_text(tokenizer, "user\n")]
        self._assistant = [
            token_ids.im_end,
            *encode_text(tokenizer, "\n"),
            token_ids.im_start,
            *encode_text(tokenizer, "assistant\n"),
        ]
        self.separator = encode_text(tokenizer, ", ")

    def prompt(self, instruction_ids: Sequence[int], num_image_tokens: int) -> Conversation:
        """The user turn and the opened assistant turn; nothing supervised."""
        tokens = self.token_ids
        conversation = Conversation()
        conversation.add(self._user)
        conversation.add([tokens.vision_start, *[tokens.image] * num_image_tokens, tokens.vision_end])
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
