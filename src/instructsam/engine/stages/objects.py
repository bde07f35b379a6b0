"""The numbered objects of a row, as data of a prompt."""

from __future__ import annotations

from typing import Any

from instructsam.engine.rows import ImageRow

_LONGEST = 80  # characters of a category; longer ones are cut


def object_list(row: ImageRow) -> list[dict[str, Any]]:
    """Number and category of each object, in the order of their numbers."""
    return [
        {"number": number, "category": _short(instance.category)}
        for number, instance in enumerate(row.instances, start=1)
    ]


def _short(category: str) -> str:
    return category if len(category) <= _LONGEST else category[: _LONGEST - 3] + "..."
