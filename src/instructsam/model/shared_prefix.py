"""Shared prefixes: what conversations about one image have in common is encoded once per image.

Conversations about one image begin alike, with the image. Under causal attention no later token changes these states,
so the prefixes run first, one row per image, and every conversation continues from its image's keys and values.
Gradients flow through them: states and gradients equal those of one plain pass. Training, given phrases and decoding
all use this.

Shapes: B conversations, I images among them, L tokens, S the longest prefix, R the longest rest, D VLM width,
A position axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

if TYPE_CHECKING:
    from instructsam.model.features import ImageFeatures
    from instructsam.structures.outputs import ModelInputs


class ConversationModel(Protocol):
    """The part of `InstructSAMModel` that encodes conversations; its methods are documented there."""

    @property
    def image_token_id(self) -> int: ...

    @property
    def can_cache(self) -> bool: ...

    def new_cache(self) -> DynamicCache: ...

    def positions(self, input_ids: Tensor, attention_mask: Tensor, grid_thw: Tensor) -> Tensor: ...

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        block_ids: Tensor,
        positions: Tensor,
        images: ImageFeatures | None = None,
        image_index: Tensor | None = None,
        cache: DynamicCache | None = None,
        visible_blocks: Tensor | None = None,
    ) -> Tensor: ...

    def at_queries(self, hidden: Tensor, block_ids: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Encoded:
    """Encoded conversations.

    Attributes:
        hidden: final-norm hidden states, float [B, L, D].
        cache_mask: int64 [B, cached tokens], 0 where the cache holds padding: the attention mask of later steps.
    """

    hidden: Tensor
    cache_mask: Tensor


def prefix_lengths(
    input_ids: Tensor, attention_mask: Tensor, block_ids: Tensor, group: Tensor, image_token: int
) -> Tensor | None:
    """Length of the prefix that the conversations about each image share, int64 [I]; None where sharing does not pay.

    A prefix holds all of its image, no query, and leaves every conversation at least one token of its own.

    Args:
        input_ids, attention_mask, block_ids: int64 [B, L].
        group: int64 [B], the number of each conversation's image among those in use, from 0 without gaps.
        image_token: id of the image positions.
    """
    count = int(group.max()) + 1
    if count == len(input_ids):
        return None
    lengths = []
    for image in range(count):
        ids, mask, blocks = (t[group == image] for t in (input_ids, attention_mask, block_ids))
        alike = (ids == ids[:1]).all(0) & (mask == 1).all(0) & (blocks < 0).all(0)
        length = min(int(alike.int().cumprod(0).sum()), int(mask.sum(1).min()) - 1)
        if length < 1 or bool((ids[:, length:] == image_token).any()):
            return None
        lengths.append(length)
    return torch.tensor(lengths, device=input_ids.device)


def encode_shared(
    model: ConversationModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    block_ids: Tensor,
    images: ImageFeatures,
    image_index: Tensor,
    cache: DynamicCache | None = None,
    positions: Tensor | None = None,
) -> Encoded:
    """`model.encode` of prompts or finished conversations, each image's shared prefix once.

    Runs one plain pass where nothing can be shared: no two conversations about one image, left padding, or gradient
    checkpointing, which keeps no keys and values.

    Args:
        model: the whole model.
        input_ids, attention_mask, block_ids, image_index: as in `ModelInputs`.
        images: from `encode_images`, all images of the call.
        cache: an empty one to continue from, when decoding; holds B rows afterwards.
        positions: int64 [A, B, L]; default: `model.positions`.
    """
    if positions is None:
        positions = model.positions(input_ids, attention_mask, images.grid_thw[image_index])
    used, group = image_index.unique(return_inverse=True)
    lengths = prefix_lengths(input_ids, attention_mask, block_ids, group, model.image_token_id)
    if lengths is None or not model.can_cache:
        hidden = model.encode(input_ids, attention_mask, block_ids, positions, images, image_index, cache)
        return Encoded(hidden, attention_mask)
    cache = model.new_cache() if cache is None else cache
    first_row = torch.stack([(group == image).nonzero()[0, 0] for image in range(len(used))])
    longest = int(lengths.max())
    prefix_mask = (torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)).to(
        attention_mask.dtype
    )
    prefix = model.encode(
        input_ids[first_row, :longest],
        prefix_mask,
        torch.full_like(prefix_mask, -1),
        positions[:, first_row, :longest],
        images,
        used,
        cache,
    )
    cache.batch_select_indices(group)
    start = lengths[group].unsqueeze(1)
    width = int((attention_mask.sum(1, keepdim=True) - start).max())
    columns = start + torch.arange(width, device=start.device)
    inside, columns = columns < input_ids.shape[1], columns.clamp(max=input_ids.shape[1] - 1)
    cache_mask = torch.cat([prefix_mask[group], attention_mask.gather(1, columns) * inside], dim=1)
    rest = model.encode(
        input_ids.gather(1, columns),
        cache_mask,
        block_ids.gather(1, columns).masked_fill(~inside, -1),
        positions.gather(2, columns.expand(len(positions), -1, -1)),
        cache=cache,
    )
    hidden = _reorder(torch.cat([prefix[group], rest], dim=1), start, longest, input_ids.shape[1])
    return Encoded(hidden, cache_mask)


def query_states(model: ConversationModel, inputs: ModelInputs, images: ImageFeatures) -> Tensor:
    """Hidden states of the query blocks of B finished conversations, the detector's input: float [P, Q, D]."""
    encoded = encode_shared(
        model, inputs.input_ids, inputs.attention_mask, inputs.block_ids, images, inputs.image_index
    )
    return model.at_queries(encoded.hidden, inputs.block_ids)


def _reorder(parts: Tensor, start: Tensor, longest: int, length: int) -> Tensor:
    """Prefixes and rests [B, S + R, D] in the order of the input [B, L, D]; padding gets the state of some padding."""
    place = torch.arange(length, device=parts.device).expand(len(parts), -1)
    source = torch.where(place < start, place, place - start + longest).clamp(max=parts.shape[1] - 1)
    return parts.gather(1, source.unsqueeze(-1).expand(-1, -1, parts.shape[2]))
