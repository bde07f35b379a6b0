"""Several instructions about one image: what their prompts have in common is read once.

Prompts begin alike, with the image. Under causal attention nothing later changes what stands there, so the common
part runs for one row, its keys and values are repeated, and only the rest runs for every row. This is for decoding,
which goes on with the cache; finished conversations about any number of images are in `sharing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from instructsam.model.attention import hybrid_mask
from instructsam.model.queries import write_queries

if TYPE_CHECKING:
    from instructsam.model.instructsam import ImageFeatures, InstructSAMModel
    from instructsam.structures.outputs import ModelInputs


def common_prefix(inputs: ModelInputs, image_token: int) -> int:
    """How many tokens all rows begin with, 0 when sharing is not possible.

    Every row must be about one image, with all of it inside the prefix, and keep a token of its own.
    """
    ids, mask, rows = inputs.input_ids, inputs.attention_mask, inputs.image_index
    if len(ids) < 2 or bool((rows != rows[0]).any()):
        return 0
    starts = beginnings(ids, mask, inputs.block_ids, torch.zeros_like(rows), image_token)
    return 0 if starts is None else int(starts)


def beginnings(
    input_ids: Tensor, attention_mask: Tensor, block_ids: Tensor, group: Tensor, image_token: int
) -> Tensor | None:
    """How many tokens the conversations about each image begin with, int64 [I]; None where sharing does not pay.

    A beginning holds all of its image, no query, and leaves every conversation a token of its own.

    Args:
        input_ids, attention_mask, block_ids: int64 [B, L].
        group: int64 [B], the number of each conversation's image among those shown, from 0 without gaps.
        image_token: id of the image positions.
    """
    count = int(group.max()) + 1
    if count == len(input_ids):
        return None
    starts = []
    for image in range(count):
        ids, mask, blocks = (t[group == image] for t in (input_ids, attention_mask, block_ids))
        alike = (ids == ids[:1]).all(0) & (mask == 1).all(0) & (blocks < 0).all(0)
        start = min(int(alike.int().cumprod(0).sum()), int(mask.sum(1).min()) - 1)
        if start < 1 or bool((ids[:, start:] == image_token).any()):
            return None
        starts.append(start)
    return torch.tensor(starts, device=input_ids.device)


def read_prompts(
    model: InstructSAMModel,
    inputs: ModelInputs,
    images: ImageFeatures,
    cache: DynamicCache | None = None,
    positions: Tensor | None = None,
) -> Tensor:
    """`model.read` that shares the common prefix where there is one.

    Args:
        model: the whole model.
        inputs: B prompts or finished conversations.
        images: what `encode_images` made of the call's images.
        cache: an empty one, when decoding goes on; holds B rows afterwards.
        positions: int64 [3, B, L], those of `model.positions` unless given.

    Returns:
        Final-norm hidden states, float [B, L, D].
    """
    ids, mask, blocks = inputs.input_ids, inputs.attention_mask, inputs.block_ids
    if positions is None:
        positions = model.positions(ids, mask, images.grid_thw[inputs.image_index])
    length = common_prefix(inputs, model.config.vlm_config.image_token_id)
    if not length:
        return model.read(ids, mask, blocks, images, inputs.image_index, cache=cache, positions=positions)
    if cache is None:
        cache = DynamicCache(config=model.vlm.language_model.config)
    first = model.read(
        ids[:1, :length],
        mask[:1, :length],
        blocks[:1, :length],
        images,
        inputs.image_index[:1],
        cache=cache,
        positions=positions[:, :1, :length],
    )
    cache.batch_repeat_interleave(len(ids))
    rest = read_on(model, ids[:, length:], blocks[:, length:], mask, positions[:, :, length:], cache)
    return torch.cat([first.expand(len(ids), -1, -1), rest], dim=1)


def read_on(
    model: InstructSAMModel,
    input_ids: Tensor,
    block_ids: Tensor,
    attention_mask: Tensor,
    positions: Tensor,
    cache: DynamicCache,
    visible_blocks: Tensor | None = None,
) -> Tensor:
    """The VLM over what follows a cached beginning and holds no image: final-norm hidden states, float [B, W, D].

    Args:
        model: the whole model.
        input_ids, block_ids: int64 [B, W] of this step, -1 in `block_ids` outside query blocks.
        attention_mask: int64 [B, past + W], 0 at padding.
        positions: int64 [3, B, W].
        cache: of the beginning; holds this step afterwards.
        visible_blocks: which tokens see each other both ways, where that is not `block_ids`.
    """
    embeds = write_queries(model.query_bank(), model.get_input_embeddings()(input_ids), block_ids)
    blocks = block_ids if visible_blocks is None else visible_blocks
    language_model = model.vlm.language_model
    hidden: Tensor = language_model(
        inputs_embeds=embeds,
        attention_mask=hybrid_mask(
            language_model.config, embeds, attention_mask, blocks, cache, model.config.query_attention
        ),
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return hidden
