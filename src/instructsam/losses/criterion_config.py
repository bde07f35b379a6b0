"""What the training loss is told: weights, presets and their checks."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from instructsam.errors import ConfigError
from instructsam.losses.matcher import HungarianMatcher
from instructsam.losses.targets import TargetResize

WEIGHT_NAMES = (
    "text",
    "mask_bce",
    "mask_dice",
    "score",
    "box_l1",
    "box_giou",
    "semantic_bce",
    "semantic_dice",
    "presence",
)


@dataclass(frozen=True)
class CriterionConfig:
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
        matcher: matching costs; a mapping of its fields is accepted too.

    Raises:
        ConfigError: an unknown name or a value out of range.
    """

    weights: dict[str, float]
    auxiliary_weight: float = 0.0
    auxiliary_copies: int = 1
    score_loss: Literal["bce", "focal"] = "bce"
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0
    score_target_floor: float = 0.1
    points: int | None = None
    dice_eps: float = 1.0
    target_resize: TargetResize = "nearest"
    matcher: HungarianMatcher = field(default_factory=HungarianMatcher)

    def __post_init__(self) -> None:
        _known("loss weight", self.weights, WEIGHT_NAMES)
        for name, weight in (*self.weights.items(), ("auxiliary_weight", self.auxiliary_weight)):
            if not weight >= 0:
                raise ConfigError(f"loss weight {name!r} must be at least 0, got {weight}")
        _one_of("score_loss", self.score_loss, ("bce", "focal"))
        _one_of("target_resize", self.target_resize, ("nearest", "area"))
        for name in ("score_target_floor", "focal_alpha"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.auxiliary_copies < 1:
            raise ConfigError(f"auxiliary_copies must be at least 1, got {self.auxiliary_copies}")
        if self.points is not None and self.points < 1:
            raise ConfigError(f"points must be at least 1, or null for dense masks, got {self.points}")
        if isinstance(self.matcher, Mapping):  # as a YAML file gives it
            names = tuple(item.name for item in fields(HungarianMatcher))
            _known("matching cost", self.matcher, names)
            object.__setattr__(self, "matcher", HungarianMatcher(**self.matcher))

    def weight(self, name: str) -> float:
        """The weight of one loss, 0 when it is not named."""
        return self.weights.get(name, 0.0)

    @classmethod
    def published(cls) -> CriterionConfig:
        """The effective loss of the released run (arXiv 2605.26102): no box, auxiliary or semantic loss."""
        return cls(weights={"text": 1.0, "mask_bce": 4.0, "mask_dice": 0.25, "score": 1.0})

    @classmethod
    def default(cls) -> CriterionConfig:
        """Ours, for training from scratch: Mask2Former's mask weights, DETR's boxes, every layer."""
        weights = {"text": 1.0, "mask_bce": 5.0, "mask_dice": 5.0, "score": 2.0, "box_l1": 5.0}
        weights |= {"box_giou": 2.0, "semantic_bce": 1.0, "semantic_dice": 1.0, "presence": 1.0}
        matcher = HungarianMatcher(dice=5.0, bce=5.0, score=1.0, box_l1=5.0, box_giou=2.0)
        return cls(weights=weights, auxiliary_weight=1.0, target_resize="area", matcher=matcher)

    @classmethod
    def preset(cls, name: str, overrides: Mapping[str, Any] | None = None) -> CriterionConfig:
        """A preset by name; mappings under `weights` and `matcher` change only the entries that they name."""
        _one_of("loss preset", name, ("default", "published"))
        base = cls.default() if name == "default" else cls.published()
        changes = dict(overrides or {})
        _known("loss setting", changes, tuple(item.name for item in fields(cls)))
        if "weights" in changes:
            changes["weights"] = base.weights | changes["weights"]
        if isinstance(changes.get("matcher"), Mapping):
            _known("matching cost", changes["matcher"], tuple(item.name for item in fields(HungarianMatcher)))
            changes["matcher"] = replace(base.matcher, **changes["matcher"])
        return replace(base, **changes)


def _known(what: str, given: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
            raise ConfigError(f"unknown {what} {name!r}; {hint}")


def _one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{what} must be one of {', '.join(choices)}, got {value!r}")
