"""Shared prefixes: what conversations about one image have in common is encoded once per image.

Conversations about one image begin alike, with the image. Under causal attention no later token changes these states,
so the prefixes run first, one row per image, and every conversation continues from its image's keys and values.
Gradients flow through them: states and gradients equal those of one plain pass. Given phrases and decoding use this;
training packs each image's conversations into one row (`packed`).

Shapes: B conversations, I images among them, L tokens, S the longest prefix, R the longest rest, D VLM width,
A position axes.
"""

from __future__ import annotations

from collections.abc import Sequence
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
        image_index: Sequence[int] | None = None,
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


@dataclass(frozen=True)
class SharedPrefixes:
    """The prefixes that conversations about one image share, as index tensors, and sizes that the host knows.

    Attributes:
        images: the images in use, ascending.
        group: int64 [B], place of each conversation's image in `images`.
        first_row: int64 [I], a conversation about each of them.
        lengths: int64 [I], tokens that the conversations about each of them share.
        longest, rest: S and R.
    """

    images: tuple[int, ...]
    group: Tensor
    first_row: Tensor
    lengths: Tensor
    longest: int
    rest: int


@dataclass(frozen=True)
class ConversationLayout:
    """Everything about B conversations that does not depend on weights.

    Attributes:
        positions: int64 [A, B, L].
        images: the image of each conversation.
        prefixes: None where sharing does not pay.
    """

    positions: Tensor
    images: tuple[int, ...]
    prefixes: SharedPrefixes | None


def shared_prefixes(
    input_ids: Tensor, attention_mask: Tensor, block_ids: Tensor, image_index: Tensor, image_token: int
) -> SharedPrefixes | None:
    """The prefixes that the conversations about each image share; None where sharing does not pay.

    A prefix holds all of its image, no query, and leaves every conversation at least one token of its own.

    Args:
        input_ids, attention_mask, block_ids: int64 [B, L].
        image_index: int64 [B].
        image_token: id of the image positions.
    """
    used, group = image_index.unique(return_inverse=True)
    if len(used) == len(input_ids):
        return None
    lengths = []
    for image in range(len(used)):
        ids, mask, blocks = (t[group == image] for t in (input_ids, attention_mask, block_ids))
        alike = (ids == ids[:1]).all(0) & (mask == 1).all(0) & (blocks < 0).all(0)
        length = min(int(alike.int().cumprod(0).sum()), int(mask.sum(1).min()) - 1)
        if length < 1 or bool((ids[:, length:] == image_token).any()):
            return None
        lengths.append(length)
    first_row = torch.stack([(group == image).nonzero()[0, 0] for image in range(len(used))])
    shared = torch.tensor(lengths, device=input_ids.device)
    rest = int((attention_mask.sum(1) - shared[group]).max())
    return SharedPrefixes(tuple(used.tolist()), group, first_row, shared, max(lengths), rest)


def conversation_layout(
    positions: Tensor,
    input_ids: Tensor,
    attention_mask: Tensor,
    block_ids: Tensor,
    image_index: Tensor,
    image_token: int,
) -> ConversationLayout:
    """The layout of conversations with these positions; arguments as in `shared_prefixes`."""
    prefixes = shared_prefixes(input_ids, attention_mask, block_ids, image_index, image_token)
    return ConversationLayout(positions, tuple(image_index.tolist()), prefixes)


def encode_shared(
    model: ConversationModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    block_ids: Tensor,
    images: ImageFeatures,
    image_index: Tensor,
    cache: DynamicCache | None = None,
    layout: ConversationLayout | None = None,
) -> Encoded:
    """`model.encode` of prompts or finished conversations, each image's shared prefix once.

    Runs one plain pass where nothing can be shared: no two conversations about one image, left padding, or gradient
    checkpointing, which keeps no keys and values.

    Args:
        model: the whole model.
        input_ids, attention_mask, block_ids, image_index: as in `ModelInputs`.
        images: from `encode_images`, all images of the call.
        cache: an empty one to continue from, when decoding; holds B rows afterwards.
        layout: of these conversations, on their device; default: computed here.
    """
    if layout is None:
        positions = model.positions(input_ids, attention_mask, images.grid_thw[image_index])
        conversations = (input_ids, attention_mask, block_ids, image_index)
        layout = conversation_layout(positions, *conversations, model.image_token_id)
    positions, shared = layout.positions, layout.prefixes
    if shared is None or not model.can_cache:
        hidden = model.encode(input_ids, attention_mask, block_ids, positions, images, layout.images, cache)
        return Encoded(hidden, attention_mask)
    cache = model.new_cache() if cache is None else cache
    places = torch.arange(shared.longest, device=shared.lengths.device)
    prefix_mask = (places < shared.lengths.unsqueeze(1)).to(attention_mask.dtype)
    prefix = model.encode(
        input_ids[shared.first_row, : shared.longest],
        prefix_mask,
        torch.full_like(prefix_mask, -1),
        positions[:, shared.first_row, : shared.longest],
        images,
        shared.images,
        cache,
    )
    cache.batch_select_indices(shared.group)
    start = shared.lengths[shared.group].unsqueeze(1)
    columns = start + torch.arange(shared.rest, device=start.device)
    inside, columns = columns < input_ids.shape[1], columns.clamp(max=input_ids.shape[1] - 1)
    cache_mask = torch.cat([prefix_mask[shared.group], attention_mask.gather(1, columns) * inside], dim=1)
    rest = model.encode(
        input_ids.gather(1, columns),
        cache_mask,
        block_ids.gather(1, columns).masked_fill(~inside, -1),
        positions.gather(2, columns.expand(len(positions), -1, -1)),
        cache=cache,
    )
    parts = torch.cat([prefix[shared.group], rest], dim=1)
    return Encoded(_reorder(parts, start, shared.longest, input_ids.shape[1]), cache_mask)


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
