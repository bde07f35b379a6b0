"""Configuration of the whole model: a VLM, a detector, and what joins them (docs/model.md, "Parts")."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

from instructsam.errors import ConfigError, InputError
from instructsam.model.detector.base import Detector
from instructsam.model.detector.registry import detector_class, detector_config
from instructsam.model.variants.base import Variant
from instructsam.model.variants.registry import check_variants, variant
from instructsam.model.vlm.base import hidden_size
from instructsam.model.vlm.registry import vlm_config
from instructsam.structures.checks import check_count, check_flag, check_fraction

MODES = ("generate", "direct")


class InstructSAMConfig(PreTrainedConfig):
    """Sizes of the two stock models, the query bank and the structural token ids.

    Attributes:
        vlm_config: configuration of a VLM or its dictionary, any size; its `model_type` names a line of
            `model.vlm.registry`.
        detector_config: configuration of a detector or its dictionary; its `model_type` names a line of
            `model.detector.registry`. A text encoder of its own is never built.
        num_queries: Q, instance queries per phrase; the detector's decoder has as many slots.
        use_presence: keep the detector's presence token (the published checkpoint has none).
        token_ids: ids of the structural tokens, field names of `processing.tokens.TokenIds`.
        score_threshold: default selection threshold on scores.
        min_pixels: lower limit of the VLM's smart resize.
        max_pixels: upper limit of the VLM's smart resize.
        max_instruction_tokens: longer instructions are refused.
        default_mode: mode of `Segmenter.segment` where none is given: "generate" or "direct".
        real_words: phrases that the model writes have only words of its word list (`words.txt`, if it has one) and
            of the instruction.
        slot_boxes: tell each instance query inside the VLM where its detector slot starts to look.
        query_attention: "hybrid", or a variant for ablations (`model.variants`).
        projectors: False is a variant for ablations.
        instance_form: "queries", or a variant for ablations.

    Raises:
        ConfigError: one of these is unknown, out of range, or does not fit the sizes.
    """

    model_type = "instructsam"
    sub_configs: ClassVar[dict[str, Any]] = {"vlm_config": AutoConfig, "detector_config": AutoConfig}

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
    real_words: bool = True
    query_attention: str = "hybrid"
    projectors: bool = True
    slot_boxes: bool = False
    instance_form: str = "queries"

    def __post_init__(self, **kwargs: Any) -> None:
        self.vlm_config = vlm_config(self.vlm_config)
        self.detector_config = detector_config(self.detector_config)
        self._detector.set_num_queries(self.detector_config, self.num_queries)
        check_variants(self)
        self._check_limits()
        super().__post_init__(**kwargs)

    def _check_limits(self) -> None:
        if self.default_mode not in MODES:
            raise ConfigError(f"default_mode must be one of {', '.join(MODES)}, got {self.default_mode!r}")
        try:
            check_fraction(self.score_threshold, "score_threshold")
            low = check_count(self.min_pixels, "min_pixels")
            check_count(self.max_pixels, "max_pixels", low=low)
            check_count(self.max_instruction_tokens, "max_instruction_tokens")
            check_flag(self.real_words, "real_words")
        except InputError as error:
            raise ConfigError(str(error)) from error

    def variant(self, field: str) -> Variant:
        """The variant that `query_attention`, `projectors` or `instance_form` chooses."""
        return variant(field, getattr(self, field))

    @property
    def hidden_size(self) -> int:
        """D, the VLM's width."""
        return hidden_size(self.vlm_config)

    @property
    def detector_size(self) -> int:
        """C, the detector's width."""
        return self._detector.width(self.detector_config)

    @property
    def image_size(self) -> int:
        """S, side of the detector's square input in pixels."""
        return self._detector.image_size(self.detector_config)

    @property
    def _detector(self) -> type[Detector]:
        return detector_class(self.detector_config.model_type)
