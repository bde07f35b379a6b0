"""Sizes in a config.json, checked before anything is built: a typo or an attack must not take all memory or hours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from instructsam.errors import CheckpointError
from instructsam.structures.checks import describe

WIDTH, LAYERS, HEADS, SIDE = (1, 65_536), (1, 128), (1, 1024), (1, 8192)
COUNTS: dict[str, tuple[int, int]] = {
    "hidden_size": WIDTH, "out_hidden_size": WIDTH, "fpn_hidden_size": WIDTH, "projection_dim": WIDTH,
    "out_dim": WIDTH, "head_dim": (2, 8192), "intermediate_size": (1, 1_048_576),
    "num_hidden_layers": LAYERS, "num_layers": LAYERS, "depth": LAYERS, "num_upsampling_stages": (0, 8),
    "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "num_heads": HEADS,
    "vocab_size": (1, 4_194_304), "num_position_embeddings": (1, 1_048_576),
    "max_position_embeddings": (1, 2**31 - 1), "num_queries": (1, 4096), "max_seg_nums": (1, 4096),
    "image_size": SIDE, "pretrain_image_size": SIDE, "patch_size": (1, 1024), "spatial_merge_size": (1, 64),
    "scale_factor": (1, 64), "temporal_patch_size": (1, 64), "window_size": (0, 8192),
    "num_channels": (1, 64), "in_channels": (1, 64),
    "roi_size": (1, 512), "backbone_feature_sizes": SIDE, "global_attn_indexes": (0, 512),
    "deepstack_visual_indexes": (0, 512), "mrope_section": (0, 8192), "chunk_size_feed_forward": (0, 65_536),
    "min_pixels": (1, 2**31 - 1), "max_pixels": (1, 2**31 - 1), "max_instruction_tokens": (1, 1_048_576),
    "image_token_id": (0, 4_194_304), "video_token_id": (0, 4_194_304), "token_ids": (0, 4_194_304),
    "vision_start_token_id": (0, 4_194_304), "vision_end_token_id": (0, 4_194_304),
}  # fmt: skip
NUMBERS: dict[str, tuple[float, float]] = {
    "score_threshold": (0, 1), "dropout": (0, 1), "hidden_dropout": (0, 1), "attention_dropout": (0, 1),
    "rms_norm_eps": (0, 1), "layer_norm_eps": (0, 1), "initializer_range": (0, 1e3), "rope_theta": (1e-3, 1e12),
    "scale_factors": (1 / 64, 64),
}  # fmt: skip
SECTIONS = (
    "vlm_config", "detector_config", "sam3_config", "text_config", "vision_config", "backbone_config",
    "geometry_encoder_config", "detr_encoder_config", "detr_decoder_config", "mask_decoder_config",
    "rope_parameters", "token_ids", "instructsam",
)  # fmt: skip
FLAGS = (
    "tie_word_embeddings", "use_presence", "projectors", "slot_boxes", "attention_bias", "mrope_interleaved",
    "return_dict", "output_attentions", "output_hidden_states", "is_encoder_decoder",
)  # fmt: skip
REFUSED = {
    "auto_map": "code of its own is never run",
    "transformers_weights": "weights are read from model.safetensors alone",
    "quantization_config": "convert plain weights and load with quantize=",
}
LISTS = (
    "backbone_feature_sizes", "global_attn_indexes", "deepstack_visual_indexes", "mrope_section", "scale_factors",
)  # fmt: skip
MOST_ITEMS = 4096  # of one list


def require_sane(path: Path, fields: Mapping[str, Any]) -> None:
    """Refuse sizes that no model has, values of a wrong type, and keys that would run code or read other files.

    Args:
        path: of the config.json, for the message.
        fields: its content, in either layout.

    Raises:
        CheckpointError: names the field, what was expected and what was received.
    """
    for place, key, value in _leaves(fields, ""):
        problem = _problem(key, value)
        if problem is not None:
            raise CheckpointError(f"{path}: {place} {problem}; correct the file or fetch it again")


def _leaves(value: Any, place: str, key: str = "", depth: int = 0) -> Iterator[tuple[str, str, Any]]:
    """Place, key and value of everything in a configuration; items of a list have the list's key."""
    if depth > 16:
        raise CheckpointError(f"config.json: {place[:60]}... is nested too deep")
    if place:
        yield place, key, value
    if isinstance(value, Mapping):
        inside = "token_ids" if key == "token_ids" else None
        for name, item in value.items():
            yield from _leaves(
                item, f"{place}.{name}" if place else str(name), inside or str(name), depth + 1
            )
    elif isinstance(value, list):
        for number, item in enumerate(value[: MOST_ITEMS + 1]):
            yield from _leaves(item, f"{place}[{number}]", key, depth + 1)


def _problem(key: str, value: Any) -> str | None:
    """The problem with one value, None where there is none."""
    if key in REFUSED and value is not None:
        return f"is not read: {REFUSED[key]}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number, got {value}"
    if isinstance(value, list) and (key in LISTS or key not in (*COUNTS, *NUMBERS, *FLAGS, *SECTIONS)):
        known = len(value) <= MOST_ITEMS
        return None if known else f"must have at most {MOST_ITEMS} items, got {len(value)}"
    if value is None or (isinstance(value, Mapping) and key in ("token_ids", *SECTIONS)):
        return None
    if key in SECTIONS and key != "token_ids":
        return f"must be an object, got {describe(value)}"
    if key in FLAGS and not isinstance(value, bool):
        return f"must be true or false, got {describe(value)}"
    if key in COUNTS:
        low, high = COUNTS[key]
        right = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return None if right else f"must be a whole number from {low} to {high}, got {describe(value)}"
    if key in NUMBERS:
        least, most = NUMBERS[key]
        right = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
        return None if right else f"must be a number from {least:g} to {most:g}, got {describe(value)}"
    if isinstance(value, int) and abs(value) >= 2**53:
        return f"must be a smaller number, got {describe(value)}"
    return None
