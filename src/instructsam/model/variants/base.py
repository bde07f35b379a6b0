"""The variant protocol: the parts of the method that an ablation may change (docs/ablations.md).

`Variant` itself is the method (arXiv 2605.26102).

Each variant belongs to one field of `InstructSAMConfig`, and is chosen by one value of it:
- "instance_form", which instances a model means: "queries" is a block of Q instance queries per phrase, whose
  detections are the instances;
- "query_attention", attention inside a query block: "hybrid" is both ways;
- "projectors" between the VLM and the detector: true.

Published checkpoints have the values of the method.

B samples, L tokens, Q queries per phrase, D VLM width, C detector width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from instructsam.model.generation import generate
from instructsam.model.projector import Projector
from instructsam.structures.instances import Instances

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instructsam.model.features import ImageFeatures
    from instructsam.model.generation import DecodingModel, GenerationSettings, Reply
    from instructsam.structures.outputs import ModelInputs

Blocks = tuple[tuple[int, ...] | None, tuple[tuple[int, ...], ...]]


class Variant:
    """The method. A variant overrides what its ablation changes.

    Attributes:
        field, value: the field of `InstructSAMConfig` and the value that chooses the variant; "" for the method.
        counts: the language model decides how many instances there are, also of phrases that are given.
        merges_instances: in training, the instances of a phrase are one target: the union of their masks.
        released_decoding: has the decoding of the released code.
    """

    field: ClassVar[str] = ""
    value: ClassVar[str | bool] = ""
    counts: ClassVar[bool] = False
    merges_instances: ClassVar[bool] = False
    released_decoding: ClassVar[bool] = True

    def check(self, config: Any) -> None:
        """Refuse an `InstructSAMConfig` whose sizes the variant cannot have.

        Raises:
            ConfigError: which size, and how to change it.
        """

    def attention_blocks(self, block_ids: Tensor) -> Tensor:
        """Blocks whose positions see each other both ways: int64 [B, L], -1 outside."""
        return block_ids

    def projector(self, in_features: int, out_features: int) -> nn.Module:
        """A projector from D to C."""
        return Projector(in_features, out_features)

    def training_blocks(
        self, instances: tuple[tuple[int, ...], ...], boxes_cxcywh: NDArray[np.float32]
    ) -> Blocks:
        """Query blocks of one training sample.

        Args:
            instances: of each phrase the numbers of its instances.
            boxes_cxcywh: float [N, 4], boxes of all instances of the image.

        Returns:
            the number of blocks of each phrase, None for one each, and of each block the instances that it names.
        """
        return None, instances

    def generate(
        self,
        model: DecodingModel,
        inputs: ModelInputs,
        images: ImageFeatures,
        settings: GenerationSettings,
        separator: Sequence[int],
        given: Sequence[Sequence[Sequence[int]]] | None,
    ) -> Sequence[Reply]:
        """Decode B prompts.

        Args:
            model, inputs, images, settings: as in `generation.generate`.
            separator: ids that stand between two given phrases.
            given: per sample the token ids of its phrases, where `counts`; None lets the model write them.
        """
        return generate(model, inputs, images, settings)

    def instances(self, found: Instances, reply: Reply | None) -> Instances:
        """The instances of one sample out of the detections of its query blocks; `phrase_ids` are block numbers."""
        return found

    def most_instances(self, num_queries: int) -> int | None:
        """Instances that one phrase can have; None without a limit."""
        return num_queries
