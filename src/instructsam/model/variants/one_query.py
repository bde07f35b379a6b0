"""Base of the two token variants: one query per block, and no limit on the instances of a phrase."""

from __future__ import annotations

from typing import Any

from instructsam.errors import ConfigError
from instructsam.model.variants.base import Variant


class OneQuery(Variant):
    """A variant of `instance_form` with Q = 1."""

    field = "instance_form"
    released_decoding = False

    def check(self, config: Any) -> None:
        if config.num_queries != 1:
            raise ConfigError(
                f"instance_form {self.value} has one query per block, got num_queries {config.num_queries}: "
                "set num_queries to 1"
            )

    def most_instances(self, num_queries: int) -> int | None:
        return None
