"""The functions of objects, which no pixel shows: their uses and abilities, from knowledge.yaml.

A function divides the kinds into those that everybody would count, those that nobody would, and the disputed
ones. A scene that shows a disputed kind gets no instruction about the function.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

import yaml

DISPUTED_FAMILY: dict[str, tuple[str, ...]] = {
    "accessory": ("hat",),
    "building": ("tent",),
    "tool": ("key", "knife"),
    "cutlery": ("saw",),
}
"""Kinds that some people would put into the family, and some would not."""


@dataclass(frozen=True)
class Function:
    """One use or ability.

    Attributes:
        kinds: all kinds that everybody would count.
        tails: words after "something" or "a thing": "to drink from"; the first one is the canonical phrase.
        that: relative clauses: "that you can drink from".
        ask: questions without their question mark: "what could I drink from".
        need: sentences that state a reason: "I'm thirsty".
        disputed: kinds that some people would count.
    """

    kinds: tuple[str, ...]
    tails: tuple[str, ...]
    that: tuple[str, ...]
    ask: tuple[str, ...]
    need: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()


def _load() -> dict[str, Function]:
    text = resources.files("instructsam.world.language").joinpath("knowledge.yaml").read_text("utf-8")
    # libyaml's loader, where PyYAML was built with it, is ten times faster
    rows = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {
        name: Function(**{field: tuple(values) for field, values in row.items()})
        for name, row in rows.items()
    }


FUNCTIONS: dict[str, Function] = _load()
