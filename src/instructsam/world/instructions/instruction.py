"""An instruction with its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PhraseAnswer:
    """One phrase and its instances, indices (ascending) into the scene's objects; empty for no target."""

    text: str
    instances: tuple[int, ...]


@dataclass(frozen=True)
class Instruction:
    """An instruction with its computed answer.

    Attributes:
        text: the instruction in words.
        phrases: one answer per group, in the order of the text.
        family: key of `families.FAMILY_SHARES`.
        template: the template's text with its slots.
        program: {"phrases": [program, ...]}, one `Program.to_dict` per phrase.
        original: of a hard negative, the instruction with a target that it was made from.
    """

    text: str
    phrases: tuple[PhraseAnswer, ...]
    family: str
    template: str
    program: dict[str, Any]
    original: str = ""
