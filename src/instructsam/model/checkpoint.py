"""The published layout <-> ours: names and configuration, nothing loaded silently (docs/model.md, last sections).

`map_published_name` says for every published tensor where it goes in `InstructSAMModel`, or that this model has
no such part. Loading is strict: a tensor that neither maps nor belongs to a part left out on purpose is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from instructsam.errors import CheckpointError
from instructsam.model.configuration import InstructSAMConfig

PREFIXES: tuple[tuple[str, str], ...] = (
    ("model.visual.", "vlm.visual."),
    ("model.language_model.", "vlm.language_model."),
    ("model.grounding_model.model.", "detector."),
    ("model.mask_hidden_fcs.0.", "query_projector."),
    ("model.text_hidden_fcs.0.", "phrase_projector."),
)
EXACT = {"model.mask_queries": "instance_queries.weight", "lm_head.weight": "lm_head.weight"}
UNUSED: tuple[str, ...] = (
    "detector.geometry_encoder.",
    "detector.text_projection.",
    "detector.text_encoder.",
    "detector.detr_decoder.query_embed.",
)
TOKEN_KEYS = {
    "query": ("seg_token_index", 151670),
    "ref_start": ("ref_start_token_index", 151646),
    "ref_end": ("ref_end_token_index", 151647),
    "mask_start": ("seg_start_token_index", 151671),
    "mask_end": ("seg_end_token_index", 151672),
}


def map_published_name(name: str) -> str | None:
    """Our name of a published tensor, None for a part that the forward pass never uses.

    Raises:
        CheckpointError: the name is unknown.
    """
    mapped = EXACT.get(name)
    for published, ours in PREFIXES:
        if name.startswith(published):
            mapped = ours + name[len(published) :]
    if mapped is None:
        raise CheckpointError(f"unknown tensor {name!r}: this is not the published InstructSAM layout")
    return None if mapped.startswith(UNUSED) else mapped


def map_published(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published state dictionary under our names."""
    mapped = ((map_published_name(name), tensor) for name, tensor in tensors.items())
    return {name: tensor for name, tensor in mapped if name is not None}


def config_from_published(fields: Mapping[str, Any]) -> InstructSAMConfig:
    """Our configuration from a published config.json (a qwen3_vl config with extra keys).

    Where it holds no SAM3 configuration the public SAM3 sizes are used, with `max_seg_nums` decoder slots.
    """
    vlm_keys = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    vlm = {key: fields[key] for key in (*vlm_keys, "tie_word_embeddings") if key in fields}
    vlm |= {"text_config": dict(fields["text_config"]), "vision_config": dict(fields["vision_config"])}
    detector = {key: value for key, value in fields.get("sam3_config", {}).items() if key != "model_type"}
    return InstructSAMConfig(
        vlm_config=vlm,
        detector_config=detector,
        num_queries=int(fields.get("max_seg_nums", 10)),
        tie_word_embeddings=bool(fields.get("tie_word_embeddings", False)),
        token_ids={ours: int(fields.get(key, default)) for ours, (key, default) in TOKEN_KEYS.items()},
    )
