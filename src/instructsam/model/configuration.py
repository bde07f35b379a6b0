"""Configuration of the whole model: a Qwen3-VL, a SAM3 detector, and what joins them (docs/model.md, "Parts")."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import PreTrainedConfig, Qwen3VLConfig, Sam3Config


class InstructSAMConfig(PreTrainedConfig):
    """Sizes of the two stock models, the query bank and the structural token ids.

    Args:
        vlm_config: a `Qwen3VLConfig` or its dictionary; any size.
        detector_config: a `Sam3Config` or its dictionary; its CLIP text encoder is never built.
        num_queries: Q, instance queries per phrase; the detector's decoder has as many slots.
        use_presence: keep SAM3's presence token (the published checkpoint has none).
        token_ids: ids of the structural tokens, field names of `processing.tokens.TokenIds`.
        score_threshold: default selection threshold on scores.
        min_pixels, max_pixels: limits of the VLM's smart resize.
        max_instruction_tokens: longer instructions are refused.
        default_mode: how `Segmenter.segment` asks when it is not told: "generate" or "direct".
    """

    model_type = "instructsam"
    sub_configs: ClassVar[dict[str, Any]] = {"vlm_config": Qwen3VLConfig, "detector_config": Sam3Config}

    vlm_config: Any = None
    detector_config: Any = None
    num_queries: int = 10
    use_presence: bool = False
    token_ids: dict[str, int] | None = None
    score_threshold: float = 0.5
    min_pixels: int = 65536
    max_pixels: int = 1048576
    max_instruction_tokens: int = 4096
    default_mode: str = "generate"

    def __post_init__(self, **kwargs: Any) -> None:
        if not isinstance(self.vlm_config, PreTrainedConfig):
            self.vlm_config = Qwen3VLConfig(**(self.vlm_config or {}))
        if not isinstance(self.detector_config, PreTrainedConfig):
            self.detector_config = Sam3Config(**(self.detector_config or {}))
        self.detector_config.detr_decoder_config.num_queries = self.num_queries
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        """D, the VLM's width."""
        return int(self.vlm_config.text_config.hidden_size)

    @property
    def detector_size(self) -> int:
        """C, the detector's width."""
        return int(self.detector_config.detr_decoder_config.hidden_size)

    @property
    def image_size(self) -> int:
        """S, side of the detector's square input in pixels."""
        return int(self.detector_config.vision_config.backbone_config.image_size)
