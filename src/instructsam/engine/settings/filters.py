"""Filters of accepted candidates, before they are written."""

from __future__ import annotations

from instructsam.config import Config


class FilterSettings(Config):
    """The group `filters`."""
