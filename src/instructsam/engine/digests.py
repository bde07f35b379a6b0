"""Digests of JSON values: the same value has the same digest on every machine and in every run."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any) -> str:
    """32 characters that differ between JSON values; the order of keys does not count.

    Raises:
        ValueError, TypeError: it holds NaN, infinity or no JSON value.
    """
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
