"""Choosing a template for the words of a program, and typing it as people do."""

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


def word(rng: np.random.Generator, table: str, slots: dict[str, str], split: str) -> tuple[str, str] | None:
    """A template whose slots all exist, and its text; None if the text would repeat a word or "picture".

    Args:
        rng: source of every choice.
        table: key of `OWN_TEMPLATES`.
        slots: slot -> words.
        split: "unseen_wording" uses only the held-out templates, every other split only the rest.
    """
    held_out = split == HELD_OUT_SPLIT
    own = [one for one in OWN_TEMPLATES[table] if one.held_out == held_out and _suits(one, slots)]
    common = [one for one in COMMON_TEMPLATES if one.held_out == held_out and _suits(one, slots)]
    if table in _OWN_TEMPLATES_ONLY:
        common = []
    if not own and not common:
        return None
    template = pick(rng, own if own and (not common or chance(rng, 0.5)) else common)
    text = template.text.format_map(slots)
    clumsy = len(_PICTURE.findall(text)) > 1 or _TWICE.search(text)
    return None if clumsy else (template.text, _typed(rng, template.style, text))


def _suits(template: Template, slots: dict[str, str]) -> bool:
    """Whether every slot has words, and, for several phrases, every phrase a slot."""
    groups = sum(name in slots for name in GROUPS)
    return template.slots <= slots.keys() and (
        not groups or len({name.split("_")[0] for name in template.slots}) == groups
    )


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
