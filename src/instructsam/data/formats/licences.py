"""Licences of images, as COCO files state them: `licenses` lists them by id, and each image has one's id.

Nothing else depends on them: a malformed one counts as unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from instructsam.data.formats.source import Node


def stated_licences(top: Node) -> dict[int | str, str]:
    """The names of a file's licences by id, or their addresses where they have no name."""
    listed = top.value.get("licenses") if isinstance(top.value, dict) else None
    found: dict[int | str, str] = {}
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict) and isinstance(item.get("id"), int | str):
            found[item["id"]] = _text(item.get("name")) or _text(item.get("url"))
    return found


def licence_of(image: Node, licences: Mapping[int | str, str]) -> str:
    """The licence of an entry of `images`, by the id of one or in words; "" for an unknown one."""
    stated = image.value.get("license")
    if not isinstance(stated, int | str):
        return ""
    return licences.get(stated, _text(stated))


def _text(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
