"""Settings of the training loss: weights, presets and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from instructsam.config import Config, build_config, to_dict
from instructsam.losses.matcher import HungarianMatcher
from instructsam.losses.targets import TargetResize
from instructsam.structures.checks import check_choices

WEIGHT_NAMES = (
    "text",
    "mask_bce",
    "mask_dice",
    "box_projection",
    "score",
    "box_l1",
    "box_giou",
    "semantic_bce",
    "semantic_dice",
    "presence",
)


class CriterionConfig(Config):
    """The training loss; `published()` and `default()` are the two presets.

    Attributes:
        weights: weight of each loss of `WEIGHT_NAMES`, the only place where it is applied; a missing name
            weighs 0.
        auxiliary_weight: scale of the earlier decoder layers' mask, score, box and presence losses, 0 = off.
        auxiliary_copies: queries that each target is given in the earlier layers, where there are as many; the last
            layer always gives one (one-to-many, as in MS-DETR, arXiv 2401.03989).
        score_loss: "bce" (mean over queries) or "focal" (sum over queries: easy queries count for nothing, so
            the sum does not grow with their number).
        focal_alpha, focal_gamma: balance towards positive targets, in [0, 1], and focusing exponent.
        score_target_floor: smallest score target of a matched query, in [0, 1].
        points: points per mask of the mask losses (uncertain ones preferred), None for every pixel.
        dice_eps: added above and below in the mask and semantic dice losses.
        target_resize: "nearest" keeps targets binary, "area" gives each pixel of the mask size its covered
            fraction.
        matcher: matching costs.

    Raises:
        ConfigError: an unknown name or a value out of range.
    """

    weights: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]]
    auxiliary_weight: float = Field(default=0.0, ge=0, le=1_000_000)
    auxiliary_copies: int = Field(default=1, ge=1, le=1000)
    score_loss: Literal["bce", "focal"] = "bce"
    focal_alpha: float = Field(default=0.25, ge=0, le=1)
    focal_gamma: float = Field(default=2.0, ge=0, le=100)
    score_target_floor: float = Field(default=0.1, ge=0, le=1)
    points: int | None = Field(default=None, ge=1, le=100_000_000)
    dice_eps: float = Field(default=1.0, ge=0, le=1_000_000)
    target_resize: TargetResize = "nearest"
    matcher: HungarianMatcher = Field(default_factory=HungarianMatcher)

    @model_validator(mode="after")
    def _check(self) -> CriterionConfig:
        check_choices("weights", self.weights, WEIGHT_NAMES)
        return self

    @property
    def pair_losses(self) -> tuple[str, ...]:
        """Names of the losses of a matched pair; those that are computed together are listed together."""
        masks = ("mask_bce", "mask_dice") if self.weight("mask_bce") or self.weight("mask_dice") else ()
        projection = ("box_projection",) if self.weight("box_projection") else ()
        boxes = ("box_l1", "box_giou") if self.weight("box_l1") or self.weight("box_giou") else ()
        return (*masks, *projection, *boxes)

    def weight(self, name: str) -> float:
        """The weight of one loss, 0 when it is not named."""
        return self.weights.get(name, 0.0)

    @classmethod
    def published(cls) -> CriterionConfig:
        """The effective loss of the released run (arXiv 2605.26102): no box, auxiliary or semantic loss.

        Where a target is known by its box alone, its mask is trained by the projections of the box.
        """
        weights = {"text": 1.0, "mask_bce": 4.0, "mask_dice": 0.25, "score": 1.0}
        return cls(weights=weights | {"box_projection": 1.0})

    @classmethod
    def default(cls) -> CriterionConfig:
        """Ours, for training from scratch: Mask2Former's mask weights, DETR's boxes, every layer."""
        weights = {"text": 1.0, "mask_bce": 5.0, "mask_dice": 5.0, "score": 2.0, "box_l1": 5.0}
        weights |= {"box_projection": 5.0, "box_giou": 2.0}
        weights |= {"semantic_bce": 1.0, "semantic_dice": 1.0, "presence": 1.0}
        matcher = HungarianMatcher(dice=5.0, bce=5.0, score=1.0, box_l1=5.0, box_giou=2.0)
        return cls(weights=weights, auxiliary_weight=1.0, target_resize="area", matcher=matcher)

    @classmethod
    def preset(
        cls, name: str, overrides: Mapping[str, Any] | None = None, prefix: str = ""
    ) -> CriterionConfig:
        """A preset by name; mappings under `weights` and `matcher` change only the entries that they name.

        Args:
            name: "default" or "published".
            overrides: fields of this class, as a YAML file gives them.
            prefix: where they stand in a configuration, for the messages: "loss.overrides.".

        Raises:
            ConfigError: an unknown name, a value of the wrong type or out of range.
        """
        check_choices("loss.preset", (name,), ("default", "published"))
        values = to_dict(cls.default() if name == "default" else cls.published())
        for key, value in (overrides or {}).items():
            merged = isinstance(value, Mapping) and isinstance(values.get(key), dict)
            values[key] = {**values[key], **value} if merged else value
        return build_config(cls, values, prefix=prefix)
