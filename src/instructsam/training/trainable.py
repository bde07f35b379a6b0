"""What a training step runs: the model and, where asked for, the readers that teach its eyes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from instructsam.model.instructsam import InstructSAMModel
from instructsam.structures.outputs import SegmentationOutput
from instructsam.training.perception import Perception


class Trainable(nn.Module):
    """`model` is what is shipped; `perception` is left behind."""

    def __init__(self, model: InstructSAMModel, with_perception: bool) -> None:
        super().__init__()
        self.model = model
        config = model.config
        self.merge = int(config.vlm_config.vision_config.spatial_merge_size)
        self.perception = Perception(config.hidden_size, config.detector_size) if with_perception else None

    def forward(
        self, auxiliary: bool, eyes_only: bool = False, **inputs: Any
    ) -> tuple[SegmentationOutput | None, list[list[Tensor]] | None]:
        """The model's output, and per tower and image what the cells show (see `Perception`).

        With `eyes_only` the vision towers run and nothing else; the output is None.
        """
        names = ("pixel_values", "image_grid_thw", "detector_pixel_values")
        images = self.model.encode_images(*(inputs.pop(name) for name in names))
        cells = None if self.perception is None else self.perception(images, self.merge)
        if eyes_only:
            return None, cells
        output: SegmentationOutput = self.model(
            **inputs, images=images, auxiliary=auxiliary, text_logits=True
        )
        return output, cells
