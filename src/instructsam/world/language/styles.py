"""Styles of speaking, from styles.yaml: which split each belongs to, and how its speakers type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, get_args

import yaml

from instructsam.errors import InputError
from instructsam.world.language.chance import chance
from instructsam.world.language.typos import with_typo

if TYPE_CHECKING:
    import numpy as np

StyleSplit = Literal["train", "val", "test"]
_PUNCTUATION = re.compile(r"(?<!\w)['\"]|['\"](?!\w)|[.,;:!?()/]|(?<= )-+(?= )")


@dataclass(frozen=True)
class Style:
    """One style; `split` is where its sayings are used, the other fields are shares of its texts.

    Attributes:
        split: "train", "val" or "test".
        case: that begin with a capital letter.
        punctuation: that keep their punctuation.
        typos: that have one typing error.
        share: how often the style is drawn, relative to the others of its split.
    """

    split: StyleSplit
    case: float = 0.7
    punctuation: float = 1.0
    typos: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.split not in get_args(StyleSplit):
            raise InputError(f"styles.yaml: split must be one of {', '.join(get_args(StyleSplit))}, got {self.split!r}")

    def typed(self, rng: np.random.Generator, text: str) -> str:
        """The text as a speaker of this style types it."""
        if not chance(rng, self.punctuation):
            text = " ".join(_PUNCTUATION.sub(" ", text).split()).lower()
        elif chance(rng, self.case):
            text = text[0].upper() + re.sub(r"([.!?] )([a-z])", lambda hit: hit[1] + hit[2].upper(), text[1:])
        else:
            text = re.sub(r"\bI\b", "i", text) if chance(rng, 0.3) else text
        return with_typo(rng, text) if chance(rng, self.typos) else text


@cache
def load_styles() -> dict[str, Style]:
    """Style name -> style, in the order of styles.yaml.

    Raises:
        InputError: a split is unknown.
    """
    text = resources.files("instructsam.world.language").joinpath("styles.yaml").read_text("utf-8")
    return {name: Style(**fields) for name, fields in yaml.safe_load(text).items()}
