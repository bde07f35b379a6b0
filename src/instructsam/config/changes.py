"""Settings in which two configurations differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from instructsam.config.base import Config, to_dict
from instructsam.config.yaml_text import format_yaml

NOT_SET = "not set"  # in place of a value


def config_changes(before: Config, now: Config) -> list[tuple[str, str, str]]:
    """Key, earlier value and value now of every setting that differs, in the order of keys.

    Values are texts as they stand behind `key=`, or `NOT_SET`.
    """
    return sorted(_differences(to_dict(before), to_dict(now)))


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, str, str]]:
    if isinstance(before, dict) and isinstance(now, dict):
        start = f"{key}." if key else ""
        for name in before.keys() | now.keys():
            yield from _differences(before.get(name, NOT_SET), now.get(name, NOT_SET), f"{start}{name}")
    elif before != now:
        yield key, _as_text(before), _as_text(now)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else format_yaml(value, flow=True).removesuffix("...\n").rstrip()
