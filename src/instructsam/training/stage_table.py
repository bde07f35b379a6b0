"""The stages of training: forward pass, objectives and trained parts of each. No torch.

Published models start from pretrained parts; the first two stages stand in for that. A new objective is one file in
`training/auxiliary/`, named like the objective, and one line in the table of each stage that trains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from instructsam.training.part_settings import PARTS, Part

StageName = Literal["vision", "phrases", "all"]

_VISION: tuple[Part, ...] = ("vlm_vision", "detector_vision")
_DETECTOR: tuple[Part, ...] = ("detector", "projectors", "instance_queries", "word_embeddings")


@dataclass(frozen=True)
class Stage:
    """One stage.

    Attributes:
        forward: the parts of the model that run. "vision" encodes the images. "detector" answers the phrases with the
            instance queries as they are, before any language model has encoded them. "model" runs the whole model.
        objectives: name -> default weight; `loss.objectives` changes it, 0 is off.
        trained: parts with gradients (`part_settings`), where the run's `parts` do not freeze them.
    """

    forward: Literal["vision", "detector", "model"]
    objectives: Mapping[str, float]
    trained: tuple[Part, ...]

    def weights(self, changes: Mapping[str, float]) -> dict[str, float]:
        """The weight of each objective that is on, in the table's order."""
        return {name: weight for name, weight in {**self.objectives, **changes}.items() if weight}


STAGES: dict[str, Stage] = {
    "vision": Stage(
        forward="vision",
        objectives={"dense_classes": 1.0},
        trained=_VISION,
    ),
    "phrases": Stage(
        forward="detector",
        objectives={"segmentation": 1.0, "dense_classes": 0.0, "denoising": 0.0},
        trained=(*_VISION, *_DETECTOR),
    ),
    "all": Stage(
        forward="model",
        objectives={"segmentation": 1.0, "dense_classes": 0.0, "query_readout": 0.0, "denoising": 0.0},
        trained=PARTS,
    ),
}
