"""The detector protocol: the model, training and checkpoints use nothing else of a detector.

I images, P phrases, Q queries per phrase, E extra queries, C detector width, T phrase tokens, h w mask size.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from instructsam.errors import ConfigError
from instructsam.structures.outputs import SegmentationOutput

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class DetectorFeatures:
    """The detector's view of I images, encoded once and shared by all phrases.

    Attributes:
        levels: floats [I, C, h_l, w_l], fine to coarse.
    """

    levels: tuple[Tensor, ...]

    def select(self, image_index: Tensor) -> DetectorFeatures:
        """Features repeated per phrase: row p shows image `image_index[p]`."""
        return replace(self, levels=tuple(level.index_select(0, image_index) for level in self.levels))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Features of the images of all parts, one part after the other."""
        levels = zip(*(part.levels for part in parts), strict=True)
        rest = [field.name for field in fields(cls) if field.name != "levels"]
        joined = {name: torch.cat([getattr(part, name) for part in parts]) for name in rest}
        return cls(levels=tuple(torch.cat(level) for level in levels), **joined)

    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor."""
        rest = [getattr(self, field.name) for field in fields(self) if field.name != "levels"]
        return (*self.levels, *rest)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The function of every tensor."""
        rest = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "levels"}
        changed = {name: function(tensor) for name, tensor in rest.items()}
        return replace(self, levels=tuple(function(level) for level in self.levels), **changed)


@dataclass(frozen=True)
class ExtraQueries:
    """E more queries per phrase, for training only: their boxes are given, and the others do not see them.

    Attributes:
        states: float [P, E, C], their initial states.
        boxes_cxcywh: float [P, E, 4] in [0, 1], the reference boxes of the first decoder layer.
        group: int64 [E]: each sees the ordinary queries and its own group.
        real: bool [P, E], False for padding, which no other query sees.
    """

    states: Tensor
    boxes_cxcywh: Tensor
    group: Tensor
    real: Tensor

    def visible(self, ordinary: int) -> Tensor:
        """bool [P, 1, N, N], N = ordinary + E: whether a query (row) sees another one in self-attention."""
        seen = torch.zeros(
            len(self.real), *[ordinary + len(self.group)] * 2, dtype=torch.bool, device=self.real.device
        )
        seen[:, :, :ordinary] = True
        seen[:, ordinary:, ordinary:] = (self.group[:, None] == self.group) & self.real[:, None]
        return seen.unsqueeze(1)


@dataclass(frozen=True)
class DetectorSizes:
    """Sizes of a small detector, as a size preset of the whole model states them; lengths in pixels."""

    image_size: int
    patch_size: int
    width: int
    vision_layers: int
    encoder_layers: int
    layers: int
    mask_stages: int
    heads: int
    dropout: float
    num_queries: int


class Detector(nn.Module, ABC):
    """A set-prediction detector whose queries and text features are given per phrase.

    A further detector is one file with a subclass and one line in `registry`. Its configuration is a
    `PreTrainedConfig`; `detector_config.model_type` in config.json chooses the class.

    Attributes:
        model_type: that of its configuration, and its name in the registry.
        config_class: its configuration.
        parts: title and name prefix of its parts, for tables.
        vision_encoder: the module that sees the image alone; its names in the state dictionary start so.
        features_class: of what `encode` returns; beside `levels` its fields are tensors [I, ...].
    """

    model_type: ClassVar[str]
    config_class: ClassVar[type[PreTrainedConfig]]
    parts: ClassVar[tuple[tuple[str, str], ...]] = (("detector", ""),)
    features_class: ClassVar[type[DetectorFeatures]] = DetectorFeatures
    vision_encoder: nn.Module

    # ---- configuration

    @staticmethod
    @abstractmethod
    def width(config: Any) -> int:
        """C, the width of its queries and text features."""

    @staticmethod
    @abstractmethod
    def image_size(config: Any) -> int:
        """S, side of its square input in pixels."""

    @staticmethod
    @abstractmethod
    def level_sizes(config: Any) -> list[tuple[int, int]]:
        """(rows, columns) of `DetectorFeatures.levels`; masks have the size of the first one."""

    @staticmethod
    @abstractmethod
    def set_num_queries(config: Any, num_queries: int) -> None:
        """Give its decoder as many slots as there are queries."""

    @staticmethod
    @abstractmethod
    def small_config(sizes: DetectorSizes) -> dict[str, Any]:
        """The configuration of a small detector."""

    @staticmethod
    def level_scales(config: Any) -> dict[str, float]:
        """Name prefix of the tensors of each pyramid level -> its scale relative to the token grid.

        `init_from` matches levels by scale; empty where names alone decide.
        """
        return {}

    # ---- forward

    @abstractmethod
    def encode(self, pixel_values: Tensor) -> DetectorFeatures:
        """Images [I, 3, S, S], squashed to a square, values in [-1, 1] -> features."""

    @abstractmethod
    def detect(
        self,
        features: DetectorFeatures,
        queries: Tensor,
        text: Tensor,
        text_mask: Tensor,
        auxiliary: bool = False,
        extra: ExtraQueries | None = None,
    ) -> SegmentationOutput:
        """One detector pass for P phrases.

        Args:
            features: of P rows (see `DetectorFeatures.select`).
            queries: float [P, Q, C], projected query states.
            text: float [P, T, C], projected phrase tokens, zero at padding.
            text_mask: bool [P, T].
            auxiliary: also fill `SegmentationOutput.auxiliary` with the earlier layers.
            extra: queries that are answered in `SegmentationOutput.extra` and change nothing else.

        Returns:
            mask_logits [P, Q, h, w], score_logits [P, Q], boxes_cxcywh [P, Q, 4], presence_logits [P] or None,
            semantic_logits [P, h, w].
        """

    @abstractmethod
    def slot_boxes(self) -> Tensor:
        """Reference box of each slot before the first decoder layer: float32 [Q, 4], cxcywh in [0, 1]."""

    def compiled_modules(self) -> tuple[nn.Module, ...]:
        """Modules that `Segmenter.compile` compiles."""
        return (self.vision_encoder,)

    def blocks(self) -> tuple[nn.Module, ...]:
        """Modules that training compiles one by one besides its transformer blocks (`RunConfig.compile`)."""
        return ()

    # ---- initialisation

    @abstractmethod
    def set_slot_boxes(self, boxes_cxcywh: Tensor) -> None:
        """Let the slots start from given boxes, float [Q, 4] in (0, 1)."""

    def quiet_layers(self) -> tuple[nn.Module, ...]:
        """Layers that keep their stock initialisation in small models, because they must start near zero."""
        return ()

    def initialize_encoder(self) -> None:
        """Position tables and attention of a small vision encoder that trains from scratch."""

    def initialize_decoder(self, spread_slots: bool) -> None:
        """Slots and attention of a small decoder that trains from scratch.

        Args:
            spread_slots: keep the boxes of `set_slot_boxes`; False starts all slots near the middle.
        """
        if not spread_slots:
            self.set_slot_boxes(nn.init.normal_(torch.empty_like(self.slot_boxes()), std=0.02).sigmoid())

    # ---- pretrained weights

    @classmethod
    def stock_class(cls) -> Any:
        """The class of transformers that reads its pretrained weights; None where there are none."""
        return None

    @classmethod
    def stock_slot_boxes(cls, tensors: Mapping[str, Tensor]) -> Tensor:
        """Reference boxes of the slots of pretrained weights: float32 [N, 4], cxcywh in [0, 1].

        Raises:
            ConfigError: there are none.
        """
        raise ConfigError(f"detector {cls.model_type} has no pretrained weights: train it from scratch")

    @classmethod
    def from_stock(
        cls, tensors: Mapping[str, Tensor], slots: Tensor, use_presence: bool
    ) -> dict[str, Tensor]:
        """The state dictionary of a detector out of pretrained weights.

        Args:
            tensors: of the state dictionary of `stock_class` those that `parts` names.
            slots: int64 [Q], the slots to keep.
            use_presence: keep the presence token.

        Raises:
            ConfigError: there are no pretrained weights.
        """
        raise ConfigError(f"detector {cls.model_type} has no pretrained weights: train it from scratch")
