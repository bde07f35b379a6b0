"""SmolVLM (arXiv 2504.05299): a SigLIP encoder, pixel shuffle, and a Llama with positions on one axis.

Every image is resized to one square of the vision encoder's size. The tiles that SmolVLM can add for details are left
out: the detector sees the image at its own, higher resolution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from transformers import DynamicCache, SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMModel

from instructsam.errors import ConfigError
from instructsam.model.initial_weights import local_attention, sine_table
from instructsam.model.pixels import square_bytes
from instructsam.model.vlm.base import VLM, ChatFormat, ImageEmbeds, PixelRules, VLMSizes


class SmolVLM(VLM, SmolVLMModel):
    """Any SmolVLM2."""

    model_type: ClassVar[str] = "smolvlm"
    config_class: ClassVar[Any] = SmolVLMConfig
    tokens: ClassVar[Mapping[str, str]] = {
        "pad": "<|im_end|>", "im_start": "<|im_start|>", "im_end": "<end_of_utterance>",
        "vision_start": "<fake_token_around_image>", "vision_end": "<fake_token_around_image>",
        "image": "<image>",
    }  # fmt: skip
    extra_tokens: ClassVar[tuple[str, ...]] = ("<global-img>",)
    chat: ClassVar[ChatFormat] = ChatFormat(
        roles={"system": ("System: ",), "user": ("User:",), "assistant": ("Assistant:",)},
        end=("<end_of_utterance>", "\n"),
        begin=("<|im_start|>",),
    )
    parts: ClassVar[tuple[tuple[str, str], ...]] = (
        ("VLM vision encoder", "vision_model."),
        ("VLM vision encoder", "connector."),
        ("VLM language model", "text_model."),
    )
    token_table: ClassVar[str] = "text_model.embed_tokens.weight"
    vision_model: Any
    connector: Any
    text_model: Any

    @property
    def language_model(self) -> Any:
        return self.text_model

    @staticmethod
    def small_config(sizes: VLMSizes) -> dict[str, Any]:
        return {
            "text_config": {
                "model_type": "llama",
                "vocab_size": sizes.vocab_size,
                "hidden_size": sizes.width,
                "intermediate_size": 3 * sizes.width,
                "num_hidden_layers": sizes.text_layers,
                "num_attention_heads": sizes.heads,
                "num_key_value_heads": sizes.heads,
                "max_position_embeddings": 4096,
                "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
                "tie_word_embeddings": sizes.tie_embeddings,
                "pad_token_id": sizes.token_ids.get("pad"),
            },
            "vision_config": {
                "hidden_size": sizes.width,
                "intermediate_size": 3 * sizes.width,
                "num_hidden_layers": sizes.vision_layers,
                "num_attention_heads": sizes.heads,
                "image_size": sizes.image_size,
                "patch_size": sizes.patch_size,
            },
            "scale_factor": 2,
            "image_token_id": sizes.token_ids["image"],
            "tie_word_embeddings": sizes.tie_embeddings,
        }

    @staticmethod
    def linear_widths(config: Any) -> list[int]:
        text, vision = config.text_config, config.vision_config
        return [
            text.hidden_size,
            text.intermediate_size,
            vision.hidden_size,
            vision.intermediate_size,
            vision.hidden_size * config.scale_factor**2,
        ]

    @staticmethod
    def pixel_rules(config: Any, min_pixels: int, max_pixels: int) -> PixelRules:
        patch, side = config.vision_config.patch_size, config.vision_config.image_size
        if side // patch % config.scale_factor:
            raise ConfigError(
                f"a SmolVLM needs a number of patches per side that is a multiple of scale_factor "
                f"{config.scale_factor}, got {side // patch} (image_size {side}, patch_size {patch}): change image_size"
            )
        return PixelRules(patch, config.scale_factor, 1, min_pixels, max_pixels, side)

    @staticmethod
    def patch_bytes(pixels: Tensor, rules: PixelRules) -> tuple[Tensor, tuple[int, int, int]]:
        cells = rules.square // rules.patch_size
        return square_bytes(pixels, rules.square, "bicubic").unsqueeze(0), (1, cells, cells)

    @classmethod
    def image_layout(cls, grid: Sequence[int], rules: PixelRules) -> list[str]:
        count = grid[0] * grid[1] * grid[2] // rules.merge_size**2
        fence = cls.tokens["vision_start"]
        return [fence, *cls.extra_tokens, *[cls.tokens["image"]] * count, fence]

    @staticmethod
    def stock_inputs(pixel_values: Tensor, image_grid_thw: Tensor, is_image: Tensor) -> dict[str, Any]:
        return {"pixel_values": pixel_values.unsqueeze(0)}

    def encode_images(self, pixel_values: Tensor, image_grid_thw: Tensor) -> ImageEmbeds:
        embeds = self.connector(self.vision_model(pixel_values).last_hidden_state)
        return ImageEmbeds(tuple(embeds.unbind()))

    def positions(self, input_ids: Tensor, attention_mask: Tensor, image_grid_thw: Tensor) -> Tensor:
        return (attention_mask.cumsum(1) - 1).clamp(min=0).unsqueeze(0)

    def encode(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor,
        positions: Tensor,
        cache: DynamicCache | None,
        is_image: Tensor | None,
        deepstack: list[Tensor],
    ) -> Tensor:
        output = self.text_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=positions[0],
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def vision_modules(self) -> tuple[nn.Module, ...]:
        return (self.vision_model, self.connector)

    def initialize_encoder(self) -> None:
        table = self.vision_model.embeddings.position_embedding.weight
        table.copy_(sine_table(*table.shape))
        for layer in self.vision_model.encoder.layers:
            attention = layer.self_attn
            projections = (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj)
            local_attention(*(projection.weight for projection in projections))

    @classmethod
    def stock_class(cls) -> Any:
        return SmolVLMForConditionalGeneration
