"""What a training step runs: the model and, where asked for, the readers that teach its eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from torch import Tensor, nn

from instructsam.data.sample import ObjectAttribute
from instructsam.errors import ConfigError
from instructsam.model.instructsam import InstructSAMModel
from instructsam.structures.outputs import DetectionOutput, SegmentationOutput
from instructsam.training.auxiliary.denoising import DenoisingQuery, NoisedTargets
from instructsam.training.auxiliary.dense_classes import Perception
from instructsam.training.auxiliary.query_readout import QueryReader
from instructsam.training.settings import Stage


class Trainable(nn.Module):
    """`model` is what is shipped; `perception`, `reader` and `denoising` are left behind."""

    def __init__(
        self,
        model: InstructSAMModel,
        attributes: Sequence[ObjectAttribute] = (),
        with_reader: bool = False,
        with_denoising: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        config = model.config
        self.merge = int(config.vlm_config.vision_config.spatial_merge_size)
        widths = (config.hidden_size, config.detector_size)
        self.perception = Perception(*widths, attributes) if attributes else None
        self.reader = QueryReader(config.hidden_size) if with_reader else None
        self.denoising = DenoisingQuery(config.detector_size) if with_denoising else None

    def freeze_unused(self, stage: Stage) -> None:
        """Exclude what a stage does not run: no gradients to exchange between processes, nothing to decay.

        Raises:
            ConfigError: stage "phrases" of a model whose queries only the language model can tell apart.
        """
        if stage == "all":
            return
        if stage == "phrases" and self.model.config.instance_form == "token_per_instance":
            raise ConfigError(
                "stage phrases leaves the language model out, and token_per_instance needs it to count: train it with "
                "stage all"
            )
        towers = [self.model.vlm.visual, self.model.detector.vision_encoder]
        detection = [self.model.detector, self.model.phrase_projector, self.model.query_projector]
        asked = [self.model.instance_queries, self.model.get_input_embeddings()]
        used = towers if stage == "eyes" else [*towers, *detection, *asked]
        self.model.requires_grad_(False)
        for module in used:
            module.requires_grad_(True)

    def forward(
        self, stage: Stage, auxiliary: bool, noised: NoisedTargets | None = None, **inputs: Any
    ) -> tuple[SegmentationOutput | None, list[list[Tensor]] | None, tuple[Tensor, Tensor] | None]:
        """What a stage runs: the model's output, per tower and image what the cells show (see `Perception`), and
        what the query states say (see `QueryReader`).

        "eyes" runs the vision towers only, its output is None. "phrases" lets the detector answer the phrases
        with the instance queries as they are, before any language model has seen them. "all" is the model.
        The detector answers `noised` targets beside its own queries, in the output's `extra`.
        """
        model = self.model
        names = ("pixel_values", "image_grid_thw", "detector_pixel_values")
        images = model.encode_images(*(inputs.pop(name) for name in names))
        cells = None if self.perception is None else self.perception(images, self.merge)
        extra = None if self.denoising is None or noised is None else self.denoising(noised)
        output: SegmentationOutput | None = None
        if stage == "phrases":
            states = model.query_bank().expand(len(inputs["phrase_ids"]), -1, -1)
            features = images.detector.select(inputs["image_index"][inputs["phrase_sample"]])
            asked = (inputs["phrase_ids"], inputs["phrase_mask"])
            output = model.detect(states, *asked, features, auxiliary, extra)
        elif stage == "all":
            output = model(**inputs, images=images, auxiliary=auxiliary, text_logits=True, extra=extra)
        read = None
        if self.reader is not None and output is not None and output.query_states is not None:
            read = self.reader(output.query_states, model.detector.slot_boxes().logit(eps=1e-6))
        return output, cells, read


def sum_of_outputs(output: DetectionOutput) -> Tensor | float:
    """Sum over every output that carries a gradient."""
    values = [getattr(output, field.name) for field in fields(output)]
    sums = [value.sum() for value in values if isinstance(value, Tensor) and value.requires_grad]
    layers = (*getattr(output, "auxiliary", ()), *getattr(output, "extra", ()))
    return sum([*sums, *(sum_of_outputs(layer) for layer in layers)])
