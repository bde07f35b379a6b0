"""Settings of the inputs: everything about them that the model's configuration fixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from instructsam.errors import InputError
from instructsam.model.vlm.base import PixelRules
from instructsam.model.vlm.registry import DEFAULT, VLMS, vlm_class
from instructsam.structures.checks import check_count, check_text, describe


@dataclass(frozen=True)
class ProcessorSettings:
    """Everything about the inputs that the model's configuration fixes; lengths in pixels.

    Attributes:
        image_size: side of the detector's square.
        patch_size, merge_size, temporal_patch_size, min_pixels, max_pixels, square: of the VLM, see `PixelRules`.
        vlm: the VLM's family, a line of `model.vlm.registry`.
    """

    num_queries: int
    image_size: int
    patch_size: int
    merge_size: int
    temporal_patch_size: int
    min_pixels: int
    max_pixels: int
    max_instruction_tokens: int
    instance_form: str = "queries"
    vlm: str = DEFAULT
    square: int = 0

    @classmethod
    def from_config(cls, config: Any) -> ProcessorSettings:
        """Take the settings from an `InstructSAMConfig`."""
        vlm = config.vlm_config.model_type
        rules = vlm_class(vlm).pixel_rules(config.vlm_config, config.min_pixels, config.max_pixels)
        return cls(
            num_queries=config.num_queries,
            image_size=config.image_size,
            max_instruction_tokens=config.max_instruction_tokens,
            instance_form=config.instance_form,
            vlm=vlm,
            **vars(rules),
        )

    @property
    def pixel_rules(self) -> PixelRules:
        """How the VLM's images become patches."""
        return PixelRules(**{name: getattr(self, name) for name in PixelRules.__dataclass_fields__})

    def to_fields(self) -> dict[str, Any]:
        """The settings for JSON, without those of other VLMs that have their defaults: versions before them read it."""
        optional = {"vlm": DEFAULT, "square": 0}
        return {name: value for name, value in vars(self).items() if value != optional.get(name)}

    @classmethod
    def from_fields(cls, fields: Any) -> ProcessorSettings:
        """Settings read from JSON.

        Raises:
            InputError: a value is not of the right type or out of range.
            TypeError: a field is missing or unknown.
        """
        if not isinstance(fields, dict):
            raise InputError(f"settings must be an object, got {describe(fields)}")
        check_text(fields.get("instance_form", "queries"), "instance_form")
        if fields.get("vlm", DEFAULT) not in VLMS:
            raise InputError(f"vlm must be one of {', '.join(VLMS)}, got {describe(fields['vlm'])}")
        for name, value in fields.items():
            if name not in ("instance_form", "vlm"):
                check_count(value, name, low=0 if name == "square" else 1)
        return cls(**fields)
