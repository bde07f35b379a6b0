"""One training batch, as loader workers make it: everything about a step that no weight decides.

Shapes: I images, B conversations, L tokens, P phrases, O objects of all images, M of the phrase with the most of them,
h w mask size, A attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from instructsam.losses.targets import PaddedTargets, TargetResize
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.packed import PackedConversations
from instructsam.model.vlm.registry import vlm_class
from instructsam.structures.outputs import ModelInputs


@dataclass(frozen=True)
class OutputSizes:
    """The part of a model that batches depend on, without its weights.

    Attributes:
        positions: `VLM.positions`.
        image_token: id of the image positions.
        merge_size: the VLM's patches per image token and side.
        mask_size: (h, w).
        cells: (rows, columns) of the detector's coarsest level.
        resize: how target masks come to mask size.
    """

    positions: Callable[[Tensor, Tensor, Tensor], Tensor]
    image_token: int
    merge_size: int
    mask_size: tuple[int, int]
    cells: tuple[int, int]
    resize: TargetResize

    @classmethod
    def of(cls, model: InstructSAMModel, resize: TargetResize) -> OutputSizes:
        """The sizes of a model."""
        config = model.config
        with torch.device("meta"):  # positions need the configuration alone
            vlm = vlm_class(config.vlm_config.model_type)(config.vlm_config)
        rules = vlm.pixel_rules(config.vlm_config, config.min_pixels, config.max_pixels)
        levels = model.detector.level_sizes(config.detector_config)
        return cls(vlm.positions, model.image_token_id, rules.merge_size, levels[0], levels[-1], resize)


@dataclass(frozen=True)
class ObjectTargets:
    """The targets of P phrases; phrases about one image share its objects.

    Attributes:
        masks: uint8 or float32 [O + 1, h, w], the last one empty; as in `PaddedTargets`.
        boxes_cxcywh: float32 [O + 1, 4] in [0, 1].
        objects: int64 [P, M], rows of `masks`; O where padded.
        counts: objects of each phrase.
        known: int8 [O + 1], what is known of each object, as in `PaddedTargets`; None where all are masks.
        ignore: bool [P, h, w], pixels that count for nothing; None where all count.
    """

    masks: Tensor
    boxes_cxcywh: Tensor
    objects: Tensor
    counts: tuple[int, ...]
    known: Tensor | None = None
    ignore: Tensor | None = None

    def padded(self, device: torch.device | str) -> PaddedTargets:
        """The targets phrase by phrase, on a device."""
        objects = self.objects.to(device, non_blocking=True)
        masks = self.masks.to(device, non_blocking=True)[objects].float()
        return PaddedTargets(
            masks,
            self.boxes_cxcywh.to(device, non_blocking=True)[objects],
            self.counts,
            None if self.known is None else self.known[self.objects],
            None if self.ignore is None else self.ignore.to(device, non_blocking=True),
        )


@dataclass(frozen=True)
class CellTargets:
    """Targets of the cells of both vision encoders: all images in the VLM's grid, then all in the detector's.

    Attributes:
        classes: int64 [cells, A], 0 where no object is.
        boxes: float32 [cells, 4], offset from the cell's centre and size of the cell's object.
    """

    classes: Tensor
    boxes: Tensor

    def to(self, device: torch.device | str) -> CellTargets:
        """The same targets on another device."""
        return CellTargets(
            self.classes.to(device, non_blocking=True), self.boxes.to(device, non_blocking=True)
        )


@dataclass(frozen=True)
class TrainingBatch:
    """The batch of one process in one step; P phrases in the order of `inputs.phrase_ids`.

    Attributes:
        index: number of its first sample in the stream.
        inputs: the model's inputs, with labels.
        packed: the conversations of `inputs`, those about one image in one row.
        targets: of the phrases; of `token_per_instance` those of the query blocks, one object or none each, of
            `token_as_mask` one merged object or none each.
        cells: None where the classes of some image's objects are unknown.
        direct: for each instruction, whether it was given as its own phrase; descriptions are not counted.
        skipped: messages about samples that others replace, with `on_error: skip`.
    """

    index: int
    inputs: ModelInputs
    packed: PackedConversations
    targets: ObjectTargets
    cells: CellTargets | None
    direct: tuple[bool, ...]
    skipped: tuple[str, ...] = ()

    def pin_memory(self) -> TrainingBatch:
        """The same batch in page-locked memory, which copies to a GPU do not wait for; the loader calls this."""
        pinned: TrainingBatch = _pinned(self)
        return pinned


def _pinned(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.pin_memory()
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _pinned(getattr(value, f.name)) for f in fields(value)})
    return value
