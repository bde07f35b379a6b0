"""Names and configuration of the published layout, mapped to ours and back (docs/weights.md, "Layouts").

Every published tensor has a place in `InstructSAMModel`, or belongs to a part that its forward pass never uses
(`UNUSED`). A name that is neither is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from instructsam.errors import CheckpointError
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.variants.registry import METHOD_VALUES

PUBLISHED_VLM = "qwen3_vl"
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
KEY_MAPPING: dict[str, str] = {
    **{f"^{re.escape(published)}": ours for published, ours in PREFIXES},
    "^model\\.mask_queries$": "instance_queries.weight",
}  # for `from_pretrained`: regular expression -> replacement


OURS = ("score_threshold", "min_pixels", "max_pixels", "max_instruction_tokens", "default_mode", "real_words")
OURS_KEY = "instructsam"  # holds OURS in models that we write in the published layout

ABLATIONS = {**METHOD_VALUES, "slot_boxes": False}


def is_published(fields: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a published InstructSAM (a qwen3_vl configuration with a query count)."""
    return fields.get("model_type") != InstructSAMConfig.model_type and "max_seg_nums" in fields


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


def published_name(name: str) -> str:
    """The published name of one of our tensors."""
    for published, ours in EXACT.items():
        if name == ours:
            return published
    for published, ours in PREFIXES:
        if name.startswith(ours):
            return published + name[len(ours) :]
    raise CheckpointError(f"the published layout has no place for {name!r}")


def config_from_published(fields: Mapping[str, Any]) -> InstructSAMConfig:
    """Our configuration from a published config.json (a qwen3_vl config with extra keys).

    Where it holds no SAM3 configuration the public SAM3 sizes are used, with `max_seg_nums` decoder slots.

    Raises:
        CheckpointError: a part of the configuration is missing.
    """
    missing = [key for key in ("text_config", "vision_config", "max_seg_nums") if key not in fields]
    if missing:
        raise CheckpointError(
            f"config.json lacks {', '.join(missing)}; it is not the config of a published InstructSAM"
        )
    vlm_keys = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    vlm = {key: fields[key] for key in (*vlm_keys, "tie_word_embeddings") if key in fields}
    vlm |= {"text_config": dict(fields["text_config"]), "vision_config": dict(fields["vision_config"])}
    detector = {key: value for key, value in fields.get("sam3_config", {}).items() if key != "model_type"}
    return InstructSAMConfig(
        vlm_config=vlm,
        detector_config=detector,
        num_queries=int(fields["max_seg_nums"]),
        tie_word_embeddings=bool(fields.get("tie_word_embeddings", False)),
        token_ids={ours: int(fields.get(key, default)) for ours, (key, default) in TOKEN_KEYS.items()},
        **{key: value for key, value in fields.get(OURS_KEY, {}).items() if key in OURS},
    )


def config_to_published(config: InstructSAMConfig) -> dict[str, Any]:
    """The config.json of the published layout for one of our models.

    Raises:
        CheckpointError: the model has a presence token, or is an ablation, for which that layout has no place.
    """
    changed = {
        name: getattr(config, name) for name, usual in ABLATIONS.items() if getattr(config, name) != usual
    }
    if changed:
        listed = ", ".join(f"{name} {value}" for name, value in changed.items())
        raise CheckpointError(
            f"the published layout knows the method alone and this model has {listed}; keep it in the native layout"
        )
    if config.vlm_config.model_type != PUBLISHED_VLM:
        raise CheckpointError(
            f"the published layout is for {PUBLISHED_VLM} and this model has a {config.vlm_config.model_type}; keep it "
            "in the native layout"
        )
    if config.use_presence:
        raise CheckpointError(
            "the published layout has no presence token and this model has one; keep it in the native layout"
        )
    vlm = config.vlm_config.to_dict()
    detector = config.detector_config.to_dict()
    ids = config.token_ids or {}
    return {
        **{key: value for key, value in vlm.items() if not key.startswith("_")},
        "model_type": PUBLISHED_VLM,
        "tie_word_embeddings": bool(config.tie_word_embeddings),
        "max_seg_nums": config.num_queries,
        "out_dim": config.detector_size,
        "sam3_config": detector,
        **{key: ids[ours] for ours, (key, _) in TOKEN_KEYS.items() if ours in ids},
        OURS_KEY: {key: getattr(config, key) for key in OURS},
    }
