"""`LabelledImage`: one image with its predictions, as every exporter receives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from instructsam.errors import InputError
from instructsam.images.loader import load_image
from instructsam.structures.checks import describe
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """N instances of one image with their labels.

    Attributes:
        name: relative path of the image with forward slashes; formats use it as the file name.
        instances: of all predictions about the image, in order.
        labels: [N] category of each instance.
        instructions: [N] the instruction that each instance answers.
        predictions: the predictions themselves; those without a target are among them.
        path: the image file; None for an image in memory.
        image: upright RGB; None when it was not kept.
        looked_for: labels that were looked for, with or without instances.
    """

    name: str
    instances: Instances
    labels: tuple[str, ...]
    instructions: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    path: Path | None = None
    image: Image.Image | None = None
    looked_for: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("labels", "instructions"):
            if len(getattr(self, field)) != len(self.instances):
                raise InputError(
                    f"{field} must have one entry per instance ({len(self.instances)}), got {len(getattr(self, field))}"
                )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) px."""
        return self.instances.size

    @property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, those without instances too, in the order of the predictions."""
        return tuple(dict.fromkeys((*self.looked_for, *self.labels)))

    def pixels(self) -> Image.Image:
        """The upright RGB image, read from its file when it was not kept.

        Raises:
            InputError: there is neither an image nor a file, or the file cannot be read or has another size.
        """
        if self.image is not None:
            return self.image
        if self.path is None:
            raise InputError(
                f"{self.name}: the image was not kept and has no file: pass image= to Prediction"
            )
        image = load_image(self.path).image
        if (image.height, image.width) != self.size:
            raise InputError(
                f"{self.path}: the image has {image.height} x {image.width} px, its masks {self.size[0]} x "
                f"{self.size[1]}: it has changed since it was segmented"
            )
        return image

    @classmethod
    def merge(
        cls,
        predictions: tuple[Prediction, ...],
        name: str,
        path: Path | None = None,
        labels: str | Mapping[str, str] = "phrases",
    ) -> LabelledImage:
        """All predictions about one image.

        Args:
            predictions: at least one.
            name: relative path of the image with forward slashes.
            path: of the image file.
            labels: "phrases": the phrase of an instance is its label; "instructions": its instruction is; or a label
                for each instruction.

        Raises:
            InputError: there is no prediction, or sizes differ.
        """
        if not predictions:
            raise InputError("a labelled image needs at least one prediction, got none")
        if not isinstance(labels, Mapping) and labels not in ("phrases", "instructions"):
            raise InputError(
                "labels must be 'phrases', 'instructions' or a label for each instruction, "
                f"got {describe(labels)}"
            )
        names: list[str] = []
        texts: list[str] = []
        looked_for: list[str] = []
        for prediction in predictions:
            texts += [prediction.instruction] * len(prediction.instances)
            if labels == "phrases":
                looked_for += prediction.phrases
                names += [prediction.phrases[index] for index in prediction.instances.phrase_ids]
            else:
                known = labels if isinstance(labels, Mapping) else {}
                label = known.get(prediction.instruction, prediction.instruction)
                looked_for.append(label)
                names += [label] * len(prediction.instances)
        merged = Instances.concatenate([prediction.instances for prediction in predictions])
        ids = np.arange(len(merged), dtype=np.int64)  # an instance is identified by its place
        instances = Instances(merged.masks, merged.boxes_xyxy, merged.scores, ids)
        image = predictions[0].image
        return cls(name, instances, tuple(names), tuple(texts), predictions, path, image, tuple(looked_for))
