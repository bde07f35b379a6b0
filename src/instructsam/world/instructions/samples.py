"""Free instructions of one style about drawn scenes, for the people who write its lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from instructsam.errors import InputError
from instructsam.world.instructions.free import FreeSettings, free_instructions
from instructsam.world.instructions.instruction import Instruction
from instructsam.world.language.styles import load_styles
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import render_scene

SIDE = 64  # pixels of the scenes, which nobody sees
PER_SCENE = 8


def language_samples(style: str, wanted: int, seed: int) -> list[Instruction]:
    """Instructions in the words of a style.

    Args:
        style: one of styles.yaml; "" for all styles of training.
        wanted: their number.
        seed: of the scenes and of every choice.

    Raises:
        InputError: the style is unknown.
    """
    styles = load_styles()
    if style and style not in styles:
        raise InputError(f"the style must be one of {', '.join(styles)}, got {style!r}")
    settings = FreeSettings(split=styles[style].split if style else "train")
    found: list[Instruction] = []
    for made in _stream(settings, seed):
        if len(found) >= wanted:
            return found
        if not style or made.template.startswith(f"{style}: "):
            found.append(made)
    return found


def _stream(settings: FreeSettings, seed: int) -> Iterator[Instruction]:
    for index in count():
        facts = Facts.of(render_scene(sample_scene(seed * 10_000 + index), SIDE))
        yield from free_instructions(facts, np.random.default_rng([seed, index]), PER_SCENE, settings)
