"""The context that every group of routes receives."""

from __future__ import annotations

from dataclasses import dataclass

from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings


@dataclass(frozen=True)
class Context:
    """The service and the settings of one server."""

    service: Service
    settings: ServeSettings
