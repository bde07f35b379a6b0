"""The text of an instruction: a template that suits the program's words, and the ways that people type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from instructsam.world.instructions.groups import GROUPS
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.templates import COMMON_TEMPLATES, OWN_TEMPLATES, Template

if TYPE_CHECKING:
    import numpy as np

HELD_OUT_SPLIT = "unseen_wording"
_OWN_TEMPLATES_ONLY = ("everything", "multi", "chatty")  # a common template lacks what makes these families
_TWICE = re.compile(r"\b(\w+) \1\b")  # "something to live in in the picture"
_PICTURE = re.compile(r"\b(?:picture|image|photo|scene)\b")


def fill_template(
    rng: np.random.Generator, table: str, slots: dict[str, str], split: str
) -> tuple[str, str] | None:
    """A template whose slots all exist, and its text; None if the text would repeat a word or "picture".

    Args:
        rng: source of every choice.
        table: key of `OWN_TEMPLATES`.
        slots: slot -> words.
        split: "unseen_wording" uses only the held-out templates, every other split only the rest.
    """
    held_out = split == HELD_OUT_SPLIT
    own = _suiting(OWN_TEMPLATES[table], held_out, slots)
    common = [] if table in _OWN_TEMPLATES_ONLY else _suiting(COMMON_TEMPLATES, held_out, slots)
    if not own and not common:
        return None
    template = pick(rng, own if own and (not common or chance(rng, 0.5)) else common)
    text = template.text.format_map(slots)
    return None if is_clumsy(text) else (template.text, _typed(rng, template.style, text))


def is_clumsy(text: str) -> bool:
    """Whether the text has a word twice in a row, or "picture" twice."""
    return len(_PICTURE.findall(text)) > 1 or bool(_TWICE.search(text))


def _suiting(templates: tuple[Template, ...], held_out: bool, slots: dict[str, str]) -> list[Template]:
    """Templates for whose slots there are words; for several phrases, those with a slot of every phrase."""
    groups = {name for name in GROUPS if name in slots}
    return [
        one
        for one in templates
        if one.held_out == held_out
        and one.slots <= slots.keys()
        and (not groups or groups == {name.split("_")[0] for name in one.slots})
    ]


def _typed(rng: np.random.Generator, style: str, text: str) -> str:
    """Upper case, full stop, "please", a missing question mark: the ways that people type."""
    if style == "c" and chance(rng, 0.08) and not text.startswith("I") and "please" not in text:
        text = f"please {text}" if chance(rng, 0.7) else f"{text}, please"
    if chance(rng, 0.45):
        text = text[0].upper() + text[1:]
        if style == "c" and chance(rng, 0.4):
            text += "."
    elif text.endswith("?") and chance(rng, 0.25):
        text = text[:-1]
    return text
