"""Packed conversations: all conversations about one image in one row, after the prefix that they share.

Training runs the language model once over such rows: a token sees the prefix of its row and the earlier tokens of its
own conversation, so states and gradients equal those of separate rows. Loader workers compute everything here that
depends on no weight, so that the device gets indices and nothing waits for it.

Shapes: B conversations of L tokens, R rows of W packed tokens, A position axes, P phrases, Q queries per phrase, D VLM
width. A place is an index into the R * W packed tokens, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from instructsam.model.shared_prefix import SharedPrefixes

PREFIX, PADDING = -1, -2


@dataclass(frozen=True)
class PackedConversations:
    """B conversations in R rows.

    Attributes:
        images: the image of each row.
        input_ids: int64 [R, W].
        positions: int64 [A, R, W].
        conversations: int64 [R, W], the conversation of each token; PREFIX and PADDING elsewhere.
        blocks: int64 [R, W], query blocks numbered through the row, -1 outside.
        image_places: int64 [image tokens].
        query_places: int64 [P * Q], in phrase order.
        written_places: both, one after the other.
        text_places: int64 [N], tokens whose next token is supervised.
        text_labels: int64 [N], these next tokens.
    """

    images: tuple[int, ...]
    input_ids: Tensor
    positions: Tensor
    conversations: Tensor
    blocks: Tensor
    image_places: Tensor
    query_places: Tensor
    written_places: Tensor
    text_places: Tensor
    text_labels: Tensor

    def to(self, device: torch.device | str) -> PackedConversations:
        """The same conversations on another device."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "images"}
        return replace(self, **{k: t.to(device, non_blocking=True) for k, t in tensors.items()})

    def visible(self, blocks: Tensor) -> Tensor:
        """Hybrid attention, bool [R, 1, W, W]: whether a token (row) sees another one.

        Args:
            blocks: int64 [R, W], tokens of one block see each other both ways; -1 outside.
        """
        places = torch.arange(self.input_ids.shape[1], device=self.input_ids.device)
        query, key = self.conversations[:, :, None], self.conversations[:, None]
        own = (query == key) | (key == PREFIX)
        together = (blocks[:, :, None] == blocks[:, None]) & (blocks >= 0)[:, None]
        return ((own & (places <= places[:, None])) | together).unsqueeze(1)


def pack(
    positions: Tensor,
    input_ids: Tensor,
    attention_mask: Tensor,
    block_ids: Tensor,
    image_index: Tensor,
    image_token: int,
    prefixes: SharedPrefixes | None,
    labels: Tensor | None = None,
) -> PackedConversations:
    """Pack conversations; without prefixes each has a row of its own.

    Args:
        positions: int64 [A, B, L].
        input_ids, attention_mask, block_ids, labels: int64 [B, L].
        image_index: int64 [B].
        image_token: id of the image positions.
        prefixes: from `shared_prefixes` of the same conversations.
    """
    count, length = input_ids.shape
    images = tuple(image_index.tolist()) if prefixes is None else prefixes.images
    group = list(range(count)) if prefixes is None else prefixes.group.tolist()
    shared = [0] * count if prefixes is None else prefixes.lengths.tolist()
    rows: list[list[Tensor]] = [[] for _ in images]
    owners: list[list[Tensor]] = [[] for _ in images]
    offsets: list[Tensor] = []  # of each conversation's tokens in its row
    for conversation, row in enumerate(group):
        prefix = shared[row]
        own = conversation * length + attention_mask[conversation].nonzero().flatten()
        if not rows[row]:  # the first conversation brings the prefix
            rows[row].append(own[:prefix])
            owners[row].append(torch.full((prefix,), PREFIX))
        first = sum(len(part) for part in rows[row])
        rows[row].append(own[prefix:])
        owners[row].append(torch.full((len(own) - prefix,), conversation))
        offsets.append(torch.cat([torch.arange(prefix), first + torch.arange(len(own) - prefix)]))
    source = _padded([torch.cat(parts) for parts in rows], 0)
    conversations = _padded([torch.cat(parts) for parts in owners], PADDING)
    place = torch.zeros(count, length, dtype=torch.int64)
    for conversation, row in enumerate(group):
        place[conversation, attention_mask[conversation] > 0] = row * source.shape[1] + offsets[conversation]
    place = place.flatten()
    ids = input_ids.flatten()[source]
    blocks = block_ids.flatten()[source]
    image_places = ((ids == image_token) & (conversations != PADDING)).flatten().nonzero().flatten()
    query_places = place[(block_ids >= 0).flatten()]
    supervised, following = _supervised(labels, count, length)
    return PackedConversations(
        images=images,
        input_ids=ids,
        positions=positions.flatten(1)[:, source],
        conversations=conversations,
        blocks=torch.where((blocks >= 0) & (conversations >= 0), conversations * length + blocks, -1),
        image_places=image_places,
        query_places=query_places,
        written_places=torch.cat([image_places, query_places]),
        text_places=place[supervised],
        text_labels=following,
    )


def _padded(rows: list[Tensor], value: int) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)


def _supervised(labels: Tensor | None, count: int, length: int) -> tuple[Tensor, Tensor]:
    """Tokens [N] of B * L whose next token is supervised, and these next tokens."""
    if labels is None:
        nothing = torch.zeros(0, dtype=torch.int64)
        return nothing, nothing
    following = torch.full((count, length), -100)
    following[:, :-1] = labels[:, 1:]
    supervised = (following != -100).flatten()
    return supervised.nonzero().flatten(), following.flatten()[supervised]
