"""Decoding: greedy text, and one fused step for every query block (arXiv 2605.26102; docs/model.md, "Decoding").

When a sample emits the reference end, ONE step runs over `[ref_end, mask_start, Q queries, mask_end]` with hybrid
attention and the cache; the final-norm hidden states at the Q positions are the query states. Decoding with the
cache equals one teacher-forced forward over the finished sequence. Nothing is kept on the module: re-entrant, and
batched with samples at different points of their replies. Of a model with a word list, phrases have real words only
(`model.phrase_words`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from instructsam.model.shared_prefix import ConversationModel, conversation_layout, encode_shared
from instructsam.structures.checks import check_count
from instructsam.structures.outputs import require_numbers

if TYPE_CHECKING:
    from instructsam.model.features import ImageFeatures
    from instructsam.model.phrase_words import PhraseWords
    from instructsam.structures.outputs import ModelInputs

# Tokens of other parts of a conversation, without meaning in a reply.
STRAY = ("im_start", "vision_start", "vision_end", "image", "video", "mask_start", "mask_end", "query")


class DecodingModel(ConversationModel, Protocol):
    """The part of `InstructSAMModel` that decodes."""

    @property
    def config(self) -> Any: ...

    @property
    def lm_head(self) -> Any: ...


@dataclass(frozen=True)
class GenerationSettings:
    """Limits of one decoding, and the words of its phrases.

    Attributes:
        max_new_tokens: tokens that the model may emit per sample (query blocks do not count).
        max_phrases: query blocks per sample; later phrases get none and the reply counts as truncated.
        words: of each sample, which tokens its phrases may have; None for any.

    Raises:
        InputError: a limit is not a whole number of at least 1.
    """

    max_new_tokens: int = 128
    max_phrases: int = 16
    words: tuple[PhraseWords, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_count(self.max_new_tokens, "max_new_tokens")
        check_count(self.max_phrases, "max_phrases")


@dataclass
class Reply:
    """The decoded reply of one sample.

    Attributes:
        ids: emitted tokens, without those of the query blocks.
        phrases: token ids of each phrase that got a query block.
        detector_phrases: per query block, the token ids that the detector receives; usually those of its phrase.
        states: per phrase the query states, float [Q, D].
        truncated: stopped by a limit instead of the end of the turn.
        malformed: markers out of order were skipped (an end without a start, a start without an
            end, an empty phrase, a nested start, a token of another part of a conversation).
    """

    ids: list[int] = field(default_factory=list)
    phrases: list[list[int]] = field(default_factory=list)
    detector_phrases: list[list[int]] = field(default_factory=list)
    states: list[Tensor] = field(default_factory=list)
    truncated: bool = False
    malformed: bool = False
    finished: bool = False
    open_phrase: list[int] | None = None

    def feed(self, token: int, ids: dict[str, int], settings: GenerationSettings, stops: set[int]) -> bool:
        """Take one emitted token; True when a query block follows it."""
        if token in stops:
            self.finished = True
            self.malformed |= self.open_phrase is not None
            return False
        self.ids.append(token)
        opens = False
        if token == ids["ref_start"]:
            self.malformed |= self.open_phrase is not None
            self.open_phrase = []
        elif token == ids["ref_end"]:
            if not self.open_phrase:
                self.malformed = True
            elif len(self.phrases) == settings.max_phrases:
                self.truncated = self.finished = True
            else:
                self.phrases.append(self.open_phrase)
                opens = True
            self.open_phrase = None
        elif any(token == ids.get(name) for name in STRAY):
            self.malformed = True
        elif self.open_phrase is not None:
            self.open_phrase.append(token)
        if len(self.ids) >= settings.max_new_tokens and not opens:
            self.truncated = self.finished = True
        return opens


@torch.no_grad()
def generate(
    model: DecodingModel,
    inputs: ModelInputs,
    images: ImageFeatures,
    settings: GenerationSettings | None = None,
) -> list[Reply]:
    """Decode the reply to each of B prompts and collect the query states.

    Args:
        model: the whole model.
        inputs: prompts with the assistant turn open; only ids, mask and image_index are used.
        images: from `encode_images`, all images of the call.
        settings: limits.

    Returns:
        B replies.
    """
    settings = settings or GenerationSettings()
    return Decoder(model, inputs, images, settings).run()


class Decoder:
    """State of one call: the cache, its mask and the position of each sample."""

    def __init__(
        self,
        model: DecodingModel,
        inputs: ModelInputs,
        images: ImageFeatures,
        settings: GenerationSettings,
    ) -> None:
        self.model = model
        self.settings = settings
        self.ids: dict[str, int] = dict(model.config.token_ids or {})
        self.stops = {self.ids[name] for name in ("im_end", "pad") if name in self.ids}
        self.cache = model.new_cache()
        self.replies = self.open_replies(len(inputs.input_ids))
        positions = self.prompt_positions(inputs, images)
        ids, real = inputs.input_ids, inputs.attention_mask
        self.next_position = positions.masked_fill(real == 0, -1).amax(dim=(0, 2)) + 1
        self.position_axes = len(positions)
        conversations = (ids, real, inputs.block_ids)
        layout = conversation_layout(positions, *conversations, inputs.image_index, model.image_token_id)
        encoded = encode_shared(model, *conversations, images, inputs.image_index, self.cache, layout)
        self.mask = encoded.cache_mask
        self.last = last_real(encoded.hidden, real)

    def open_replies(self, count: int) -> list[Any]:
        """Empty replies."""
        return [Reply() for _ in range(count)]

    def prompt_positions(self, inputs: ModelInputs, images: ImageFeatures) -> Tensor:
        """Positions of the prompts, int64 [3, B, L]."""
        return self.model.positions(
            inputs.input_ids, inputs.attention_mask, images.grid_thw[inputs.image_index]
        )

    def step_positions(self, width: int, is_query: Tensor) -> Tensor:
        """Positions of one step's tokens, int64 [B, W]."""
        return self.next_position[:, None] + torch.arange(width, device=is_query.device)

    def step_blocks(self, is_query: Tensor, real: Tensor) -> Tensor:
        """Groups of tokens of one step that attend to each other both ways: int64 [B, W], -1 for none."""
        return torch.where(is_query, 0, -1)

    def phrase_tokens(self, phrase: list[int]) -> list[int]:
        """Token ids of a phrase as the detector receives them."""
        return phrase

    def run(self) -> list[Reply]:
        while True:
            logits = self.model.lm_head(self.last)
            chosen = logits.argmax(-1, keepdim=True)
            require_numbers({"token logits": logits.gather(-1, chosen)})  # NaN counts as the largest
            tokens = self.real_words(chosen[:, 0].tolist(), logits)
            steps = [self.step_ids(reply, token) for reply, token in zip(self.replies, tokens, strict=True)]
            if all(reply.finished and not step for reply, step in zip(self.replies, steps, strict=True)):
                break
            self.advance(steps)
        for reply in self.replies:
            reply.detector_phrases = self.detector_phrases(reply)
        return self.replies

    def real_words(self, tokens: list[int], logits: Tensor) -> list[int]:
        """The likeliest tokens [B] of logits [B, V]; inside phrases the likeliest ones that the words allow."""
        if self.settings.words is None:
            return tokens
        return [
            token
            if reply.finished or reply.open_phrase is None
            else words.choose(reply.open_phrase, token, row)
            for token, reply, words, row in zip(
                tokens, self.replies, self.settings.words, logits, strict=True
            )
        ]

    def step_ids(self, reply: Reply, token: int) -> list[int]:
        """The next input ids of a sample: nothing when done, a token, or a token with its query block."""
        if reply.finished:
            return []
        opens = reply.feed(token, self.ids, self.settings, self.stops)
        if opens:
            return [token, *self.block()]
        return [] if reply.finished else [token]

    def block(self) -> list[int]:
        """Ids of one query block, with its markers."""
        queries = [self.ids["query"]] * self.model.config.num_queries
        return [self.ids["mask_start"], *queries, self.ids["mask_end"]]

    def detector_phrases(self, reply: Reply) -> list[list[int]]:
        """Per query block, the token ids that the detector receives."""
        return [self.phrase_tokens(phrase) for phrase in reply.phrases]

    def advance(self, steps: list[list[int]]) -> None:
        """Run one step of the language model over [B, W], shorter rows padded on the right.

        A step of several tokens ends with a query block.
        """
        device = self.last.device
        width = max(len(step) for step in steps)
        lengths = torch.tensor([len(step) for step in steps], device=device)
        pad = self.ids.get("pad", 0)
        input_ids = torch.tensor([[*step, *[pad] * (width - len(step))] for step in steps], device=device)
        real = (torch.arange(width, device=device) < lengths[:, None]).long()
        is_query = torch.zeros_like(real, dtype=torch.bool)
        for row, step in enumerate(steps):
            if len(step) > 1:
                end = len(step) - 1
                is_query[row, end - self.model.config.num_queries : end] = True
        self.mask = torch.cat([self.mask, real], dim=1)
        hidden = self.model.encode(
            input_ids,
            self.mask,
            torch.where(is_query, 0, -1),
            self.step_positions(width, is_query).expand(self.position_axes, -1, -1),
            cache=self.cache,
            visible_blocks=self.step_blocks(is_query, real),
        )
        self.next_position = self.next_position + lengths
        for row in is_query.any(1).nonzero()[:, 0].tolist():
            self.replies[row].states.append(hidden[row][is_query[row]])
        self.last = torch.where(lengths[:, None] > 0, last_real(hidden, real), self.last)


def last_real(hidden: Tensor, mask: Tensor) -> Tensor:
    """Hidden state at each row's last real position: [B, L, D], [B, L] -> [B, D]; padding on either side."""
    index = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).argmax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), index]
