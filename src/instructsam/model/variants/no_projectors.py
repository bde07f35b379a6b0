"""No projectors: query states and phrase embeddings reach the detector as they are, which takes equal widths."""

from __future__ import annotations

from typing import Any

from torch import nn

from instructsam.errors import ConfigError
from instructsam.model.variants.base import Variant


class NoProjectors(Variant):
    """`projectors: false`."""

    field = "projectors"
    value = False

    def check(self, config: Any) -> None:
        if config.hidden_size != config.detector_size:
            raise ConfigError(
                f"projectors: false needs a VLM as wide as the detector, got widths {config.hidden_size} and "
                f"{config.detector_size}: make vlm_width and detector_width equal, or keep the projectors"
            )

    def projector(self, in_features: int, out_features: int) -> nn.Module:
        return nn.Identity()
