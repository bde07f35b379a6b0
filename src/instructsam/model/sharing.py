"""One pass over many instructions about few images, in which each image is read once (training and given phrases).

Prompts about one image begin alike, with the image. Under causal attention nothing later changes what stands there, so
the beginnings run first, one row per image, and every conversation goes on from its image's keys and values. Gradients
flow through them: the result is that of one plain pass, at the cost of the rest.

Shapes: B conversations, I images among them, L tokens, S the longest beginning, R the longest rest, D VLM width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from instructsam.model.prefix import beginnings, read_on

if TYPE_CHECKING:
    from instructsam.model.instructsam import ImageFeatures, InstructSAMModel
    from instructsam.structures.outputs import ModelInputs


def read_shared(
    model: InstructSAMModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    block_ids: Tensor,
    images: ImageFeatures,
    image_index: Tensor,
) -> Tensor:
    """`model.read` of finished conversations, each image's common beginning once: float [B, L, D].

    Arguments as in `ModelInputs`. Where nothing can be shared it is one plain pass: no two conversations about one
    image, left padding, or gradient checkpointing, which keeps no keys and values.
    """
    image_token = model.config.vlm_config.image_token_id
    shown, group = image_index.unique(return_inverse=True)
    starts = beginnings(input_ids, attention_mask, block_ids, group, image_token)
    checkpointing = model.training and model.vlm.language_model.gradient_checkpointing
    if starts is None or checkpointing:
        return model.read(input_ids, attention_mask, block_ids, images, image_index)
    positions = model.positions(input_ids, attention_mask, images.grid_thw[image_index])
    first_row = torch.stack([(group == i).nonzero()[0, 0] for i in range(len(shown))])
    longest = int(starts.max())
    head = (torch.arange(longest, device=starts.device) < starts.unsqueeze(1)).to(attention_mask.dtype)
    cache = DynamicCache(config=model.vlm.language_model.config)
    begun = model.read(
        input_ids[first_row, :longest],
        head,
        torch.full_like(head, -1),
        images,
        shown,
        cache=cache,
        positions=positions[:, first_row, :longest],
    )
    cache.batch_select_indices(group)
    own = starts[group].unsqueeze(1)
    width = int((attention_mask.sum(1, keepdim=True) - own).max())
    columns = own + torch.arange(width, device=own.device)
    inside, columns = columns < input_ids.shape[1], columns.clamp(max=input_ids.shape[1] - 1)
    rest = read_on(
        model,
        input_ids.gather(1, columns),
        block_ids.gather(1, columns).masked_fill(~inside, -1),
        torch.cat([head[group], attention_mask.gather(1, columns) * inside], dim=1),
        positions.gather(2, columns.expand(3, -1, -1)),
        cache,
    )
    return _in_place(torch.cat([begun[group], rest], dim=1), own, longest, input_ids.shape[1])


def query_states(model: InstructSAMModel, inputs: ModelInputs, images: ImageFeatures) -> Tensor:
    """What the VLM hands to the detector for B finished conversations: float [P, Q, D]."""
    hidden = read_shared(
        model, inputs.input_ids, inputs.attention_mask, inputs.block_ids, images, inputs.image_index
    )
    return model.at_queries(hidden, inputs.block_ids)


def _in_place(parts: Tensor, starts: Tensor, longest: int, length: int) -> Tensor:
    """Beginnings and rests [B, S + R, D] back at their places [B, L, D]; padding gets some padding's state."""
    place = torch.arange(length, device=parts.device).expand(len(parts), -1)
    source = torch.where(place < starts, place, place - starts + longest).clamp(max=parts.shape[1] - 1)
    return parts.gather(1, source.unsqueeze(-1).expand(-1, -1, parts.shape[2]))
