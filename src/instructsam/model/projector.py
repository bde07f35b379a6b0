"""Projectors between the VLM's width D and the detector's width C (docs/model.md, "Parts")."""

from __future__ import annotations

from torch import nn


class Projector(nn.Sequential):
    """Linear(D, D) - ReLU - Linear(D, C), on the last dimension."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(nn.Linear(in_features, in_features), nn.ReLU(), nn.Linear(in_features, out_features))
