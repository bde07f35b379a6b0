"""Qwen3-VL (arXiv 2511.21631): M-RoPE on three axes, patches at the native aspect ratio, DeepStack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import DynamicCache, Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLModel

from instructsam.model.initial_weights import local_attention, sine_table
from instructsam.model.vlm.base import VLM, ChatFormat, ImageEmbeds, PixelRules, VLMSizes
from instructsam.model.vlm.grouped_attention import order_by_size
from instructsam.model.vlm.patches import patch_bytes, repeat_frames
from instructsam.model.vlm.qwen3_vl_modules import use_modules, vision_positions


class Qwen3VL(VLM, Qwen3VLModel):
    """Any dense Qwen3-VL."""

    model_type: ClassVar[str] = "qwen3_vl"
    config_class: ClassVar[Any] = Qwen3VLConfig
    tokens: ClassVar[Mapping[str, str]] = {
        "pad": "<|endoftext|>", "im_start": "<|im_start|>", "im_end": "<|im_end|>",
        "vision_start": "<|vision_start|>", "vision_end": "<|vision_end|>",
        "image": "<|image_pad|>", "video": "<|video_pad|>",
    }  # fmt: skip
    chat: ClassVar[ChatFormat] = ChatFormat(
        roles={role: ("<|im_start|>", f"{role}\n") for role in ("system", "user", "assistant")},
        end=("<|im_end|>", "\n"),
    )
    parts: ClassVar[tuple[tuple[str, str], ...]] = (
        ("VLM vision encoder", "visual."),
        ("VLM language model", "language_model."),
    )
    token_table: ClassVar[str] = "language_model.embed_tokens.weight"
    visual: Any

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        use_modules(self)

    @staticmethod
    def small_config(sizes: VLMSizes) -> dict[str, Any]:
        head = sizes.width // sizes.heads
        side = head // 2 // 3
        return {
            "text_config": {
                "vocab_size": sizes.vocab_size,
                "hidden_size": sizes.width,
                "intermediate_size": 3 * sizes.width,
                "num_hidden_layers": sizes.text_layers,
                "num_attention_heads": sizes.heads,
                "num_key_value_heads": sizes.heads,
                "head_dim": head,
                "max_position_embeddings": 4096,
                "tie_word_embeddings": sizes.tie_embeddings,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [head // 2 - 2 * side, side, side],  # time, height and width
                    "mrope_interleaved": True,
                },
            },
            "vision_config": {
                "depth": sizes.vision_layers,
                "hidden_size": sizes.width,
                "intermediate_size": 3 * sizes.width,
                "num_heads": sizes.heads,
                "patch_size": sizes.patch_size,
                "spatial_merge_size": 2,
                "temporal_patch_size": 1,
                "out_hidden_size": sizes.width,
                "num_position_embeddings": (sizes.image_size // sizes.patch_size) ** 2,
                "deepstack_visual_indexes": [sizes.vision_layers // 2],
            },
            "image_token_id": sizes.token_ids["image"],
            "video_token_id": sizes.token_ids["video"],
            "vision_start_token_id": sizes.token_ids["vision_start"],
            "vision_end_token_id": sizes.token_ids["vision_end"],
            "tie_word_embeddings": sizes.tie_embeddings,
        }

    @staticmethod
    def config_token_ids(config: Any) -> dict[str, int]:
        return {"image": config.image_token_id, "vision_start": config.vision_start_token_id}

    @staticmethod
    def linear_widths(config: Any) -> list[int]:
        text, vision = config.text_config, config.vision_config
        merged = vision.hidden_size * vision.spatial_merge_size**2
        heads = text.num_attention_heads * text.head_dim
        return [
            text.hidden_size,
            text.intermediate_size,
            heads,
            vision.hidden_size,
            vision.intermediate_size,
            merged,
        ]

    @staticmethod
    def pixel_rules(config: Any, min_pixels: int, max_pixels: int) -> PixelRules:
        vision = config.vision_config
        return PixelRules(
            vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size, min_pixels, max_pixels
        )

    @staticmethod
    def patch_bytes(pixels: Tensor, rules: PixelRules) -> tuple[Tensor, tuple[int, int, int]]:
        return patch_bytes(pixels, rules)

    @staticmethod
    def pixel_values(patches: Tensor, rules: PixelRules) -> Tensor:
        return repeat_frames(patches, rules.temporal_patch_size)

    @classmethod
    def image_layout(cls, grid: Sequence[int], rules: PixelRules) -> list[str]:
        count = grid[0] * grid[1] * grid[2] // rules.merge_size**2
        return [cls.tokens["vision_start"], *[cls.tokens["image"]] * count, cls.tokens["vision_end"]]

    @staticmethod
    def stock_inputs(pixel_values: Tensor, image_grid_thw: Tensor, is_image: Tensor) -> dict[str, Any]:
        return {
            "pixel_values": pixel_values,
            "image_grid_thw": image_grid_thw,
            "mm_token_type_ids": is_image.int(),
        }

    def encode_images(self, pixel_values: Tensor, image_grid_thw: Tensor) -> ImageEmbeds:
        grid = image_grid_thw.cpu()  # of a training step it is there already: nothing waits
        patches: list[int] = grid.prod(-1).tolist()
        order = order_by_size(patches)
        if order != sorted(order):
            images = pixel_values.split(patches)
            pixel_values, grid = torch.cat([images[i] for i in order]), grid[order]
        positions = vision_positions(self.visual, grid, pixel_values.device)
        pixel_values = pixel_values.type(self.visual.dtype)
        vision = self.visual(pixel_values, grid_thw=grid, return_dict=True, **positions)
        tokens = [patches[i] // self.visual.spatial_merge_size**2 for i in order]
        place = [order.index(image) for image in range(len(order))]
        layers = (layer.split(tokens) for layer in (vision.pooler_output, *vision.deepstack_features))
        embeds, *deepstack = (tuple(layer[i] for i in place) for layer in layers)
        return ImageEmbeds(embeds, tuple(deepstack))

    def positions(self, input_ids: Tensor, attention_mask: Tensor, image_grid_thw: Tensor) -> Tensor:
        """As the stock `get_rope_index`, which loops over tokens in Python, for one image in each conversation."""
        real = attention_mask.bool()
        is_image = (input_ids == self.config.image_token_id) & real
        place, seen = real.cumsum(1) - 1, is_image.cumsum(1)
        start = torch.where(is_image, place, input_ids.shape[1]).amin(1, keepdim=True)
        sides = image_grid_thw[:, 1:] // self.config.vision_config.spatial_merge_size
        columns, longer = sides[:, 1:], sides.amax(1, keepdim=True)
        text = torch.where(place > start, place - seen + longer, place)
        number = seen - 1
        axes = (start.expand_as(place), start + number // columns, start + number % columns)
        return torch.stack([torch.where(is_image, axis, text) for axis in axes]) * real

    def encode(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        cache: DynamicCache | None,
        is_image: Tensor | None,
        deepstack: list[Tensor],
    ) -> Tensor:
        output = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=positions,
            visual_pos_masks=is_image,
            deepstack_visual_embeds=deepstack or None,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def vision_modules(self) -> tuple[nn.Module, ...]:
        return (self.visual,)

    def initialize_encoder(self) -> None:
        table = self.visual.pos_embed.weight
        table.copy_(sine_table(*table.shape))
        for block in self.visual.blocks:
            query, key, value = block.attn.qkv.weight.chunk(3)
            local_attention(query, key, value, block.attn.proj.weight)

    @classmethod
    def stock_class(cls) -> Any:
        return Qwen3VLForConditionalGeneration
