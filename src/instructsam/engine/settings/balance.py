"""Balance of the written records."""

from __future__ import annotations

from instructsam.config import Config


class BalanceSettings(Config):
    """The group `balance`."""
