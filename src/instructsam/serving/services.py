"""The service of a server's settings."""

from __future__ import annotations

from functools import partial

from instructsam.inference.loading import load
from instructsam.serving.local_service import LocalService
from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings


def make_service(settings: ServeSettings) -> Service:
    """One that loads the models when it starts."""
    openers = {
        name: partial(load, None if source == "default" else source, settings.devices[0], settings.dtype)
        for name, source in settings.models.items()
    }
    return LocalService(openers, settings.limits.max_seconds)
