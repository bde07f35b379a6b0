"""Kinds of instructions in prompts: their definitions, and how many of each are requested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instructsam.engine.candidates import KINDS, Kind
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.stages.prompts import Passage, PromptBook
from instructsam.errors import ConfigError

_LEAST_OBJECTS: Mapping[Kind, int] = {"order": 2, "comparison": 2, "several": 2, "absent": 0}
"""Numbered objects that a kind needs; 1 for the others."""


def kind_definitions(book: PromptBook) -> dict[Kind, Passage]:
    """The definitions of all kinds, from `kinds.md`.

    Raises:
        ConfigError: the file cannot be read, lacks a kind, or defines an unknown one.
    """
    sections = book.sections("kinds")
    if set(sections) != set(KINDS):
        missing, unknown = sorted(set(KINDS) - set(sections)), sorted(set(sections) - set(KINDS))
        raise ConfigError(
            f"{book.place('kinds')}: expected a section for each of {', '.join(KINDS)}; missing: "
            f"{', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}"
        )
    return {kind: sections[kind] for kind in KINDS}


def wanted_kinds(row: ImageRow, settings: ProposeSettings) -> dict[Kind, int]:
    """How many instructions of each kind are requested, `per_image` in all.

    Kinds that need more objects than there are get none. Over many rows each kind gets its share of `weights`, though a
    row may have fewer instructions than there are kinds: the row's content decides which ones it gets.
    """
    count = len(row.instances)
    possible: list[Kind] = [kind for kind in settings.kinds if count >= _LEAST_OBJECTS.get(kind, 1)]
    weights = [settings.weights.get(kind, 1.0) for kind in possible]
    total, reached = sum(weights), _offset(row)
    wanted: dict[Kind, int] = {}
    for kind, weight in zip(possible, weights, strict=True):  # systematic sampling
        before, reached = int(reached), reached + settings.per_image * weight / total
        if int(reached + 1e-9) > before:
            wanted[kind] = int(reached + 1e-9) - before
    return wanted


def kinds_passage(kinds: Sequence[Kind], definitions: Mapping[Kind, Passage]) -> Passage:
    """The list of kinds with their definitions, for a prompt."""
    indented = {kind: definitions[kind].replace("\n", "\n  ") for kind in kinds}
    return Passage("\n".join(f'- "{kind}": {definition}' for kind, definition in indented.items()))


def _offset(row: ImageRow) -> float:
    """A number in [0, 1) that spreads evenly over rows."""
    return int(row.digest[:12], 16) / 16**12
