"""Configuration of the whole model: a Qwen3-VL, a detector, and what joins them (docs/model.md, "Parts")."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

from transformers import AutoConfig, PreTrainedConfig, Qwen3VLConfig

from instructsam.errors import ConfigError, InputError
from instructsam.model.detector.base import Detector
from instructsam.model.detector.registry import detector_class, detector_config
from instructsam.structures.checks import check_count, check_fraction
from instructsam.structures.forms import InstanceForm, QueryAttention

MODES = ("generate", "direct")


class InstructSAMConfig(PreTrainedConfig):
    """Sizes of the two stock models, the query bank and the structural token ids.

    Args:
        vlm_config: a `Qwen3VLConfig` or its dictionary; any size.
        detector_config: configuration of a detector or its dictionary; its `model_type` names a line of
            `model.detector.registry`. A text encoder of its own is never built.
        num_queries: Q, instance queries per phrase; the detector's decoder has as many slots.
        use_presence: keep the detector's presence token (the published checkpoint has none).
        token_ids: ids of the structural tokens, field names of `processing.tokens.TokenIds`.
        score_threshold: default selection threshold on scores.
        min_pixels, max_pixels: limits of the VLM's smart resize.
        max_instruction_tokens: longer instructions are refused.
        default_mode: how `Segmenter.segment` asks when it is not told: "generate" or "direct".
        query_attention: "hybrid" (queries of one block see each other both ways) or "causal"; for ablations.
        projectors: False hands query states and phrase embeddings to the detector as they are, which takes a VLM as
            wide as the detector; for ablations.
        slot_boxes: tell each instance query inside the VLM where its detector slot starts to look.
        instance_form: how instances are told apart, see `structures.forms`; the baselines need num_queries 1.

    Raises:
        ConfigError: one of these is unknown, out of range, or does not fit the sizes.
    """

    model_type = "instructsam"
    sub_configs: ClassVar[dict[str, Any]] = {"vlm_config": Qwen3VLConfig, "detector_config": AutoConfig}

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
    query_attention: str = "hybrid"
    projectors: bool = True
    slot_boxes: bool = False
    instance_form: str = "queries"

    def __post_init__(self, **kwargs: Any) -> None:
        if not isinstance(self.vlm_config, PreTrainedConfig):
            self.vlm_config = Qwen3VLConfig(**(self.vlm_config or {}))
        self.detector_config = detector_config(self.detector_config)
        self._detector.set_num_queries(self.detector_config, self.num_queries)
        self._check_form()
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
        except InputError as error:
            raise ConfigError(str(error)) from error

    def _check_form(self) -> None:
        for name, kind in (("query_attention", QueryAttention), ("instance_form", InstanceForm)):
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise ConfigError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if not self.projectors and self.hidden_size != self.detector_size:
            raise ConfigError(
                f"projectors: false needs a VLM as wide as the detector, got widths {self.hidden_size} and "
                f"{self.detector_size}: make vlm_width and detector_width equal, or keep the projectors"
            )
        if self.instance_form != "queries" and self.num_queries != 1:
            raise ConfigError(
                f"instance_form {self.instance_form} has one query per block, got num_queries {self.num_queries}: "
                "set num_queries to 1"
            )

    @property
    def hidden_size(self) -> int:
        """D, the VLM's width."""
        return int(self.vlm_config.text_config.hidden_size)

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
