"""Styles of speaking, from styles.yaml: which split each belongs to, and how its speakers type."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

import yaml

from instructsam.errors import InputError
from instructsam.structures.checks import check_fraction, check_number
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.data_files import read_data
from instructsam.world.language.spelling import SPELLINGS, Spelling, spelled
from instructsam.world.language.typos import with_typo

if TYPE_CHECKING:
    import numpy as np

StyleSplit = Literal["train", "val", "test"]
STYLE_SPLITS: tuple[StyleSplit, ...] = get_args(StyleSplit)
_PUNCTUATION = re.compile(r"(?<!\w)['\"]|['\"](?!\w)|[.,;:!?()/]|(?<= )-+(?= )")
_SENTENCE = re.compile(r"(^|[.!?] )([a-z])")


@dataclass(frozen=True)
class Style:
    """One style; `split` is where its sayings are used, most other fields are shares of its texts in [0, 1].

    Attributes:
        split: one of `STYLE_SPLITS`.
        case: that begin with a capital letter.
        punctuation: that keep their punctuation.
        typos: that have one typing error.
        small_i: that write "i" for "I".
        spelling: "british" or "american"; empty for either.
        share: how often the style is drawn, relative to the others of its split.

    Raises:
        InputError: an unknown split or spelling, or a share outside [0, 1].
    """

    split: StyleSplit
    case: float = 0.7
    punctuation: float = 1.0
    typos: float = 0.0
    small_i: float = 0.0
    spelling: Spelling | Literal[""] = ""
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.split not in STYLE_SPLITS:
            raise InputError(f"split must be one of {', '.join(STYLE_SPLITS)}, got {self.split!r}")
        if self.spelling not in (*SPELLINGS, ""):
            raise InputError(
                f"spelling must be one of {', '.join(SPELLINGS)} or empty, got {self.spelling!r}"
            )
        for name in ("case", "punctuation", "typos", "small_i"):
            check_fraction(getattr(self, name), name)
        if not check_number(self.share, "share", 0, 1000):
            raise InputError(f"share must be above 0, got {self.share!r}")

    def typed(self, rng: np.random.Generator, text: str) -> str:
        """The text as a speaker of this style types it."""
        text = spelled(text, self.spelling if self.spelling else pick(rng, SPELLINGS))
        if not chance(rng, self.punctuation):
            text = " ".join(_PUNCTUATION.sub(" ", text).split()).lower()
            text = re.sub(r"\bi\b", "I", text)
        elif chance(rng, self.case):
            text = _SENTENCE.sub(lambda found: found[1] + found[2].upper(), text)
        if chance(rng, self.small_i):
            text = re.sub(r"\bI\b", "i", text)
        return with_typo(rng, text) if chance(rng, self.typos) else text


def parse_styles(text: str, file: str) -> dict[str, Style]:
    """Style name -> style, in the order of the file.

    Raises:
        InputError: the file is no YAML mapping of names to known fields, or a value is out of range.
    """
    try:
        rows = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{file} must be YAML, got: {' '.join(str(error).split())}") from error
    known = [field.name for field in fields(Style)]
    if not isinstance(rows, dict):
        raise InputError(f"{file} must map names of styles to their fields, got {type(rows).__name__}")
    styles = {}
    for name, row in rows.items():
        if not isinstance(row, dict) or "split" not in row or not set(row) <= set(known):
            raise InputError(f"{file}, {name}: expected 'split' and some of {', '.join(known)}, got {row!r}")
        try:
            styles[str(name)] = Style(**row)
        except InputError as error:
            raise InputError(f"{file}, {name}: {error}") from error
    return styles


@cache
def load_styles() -> dict[str, Style]:
    """The styles of styles.yaml.

    Raises:
        InputError: as in `parse_styles`.
    """
    return parse_styles(read_data("styles.yaml"), "styles.yaml")


@cache
def styles_of(split: StyleSplit) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """The names of the styles of a split, and how often each is drawn; sums to 1."""
    styles = {name: style for name, style in load_styles().items() if style.split == split}
    total = sum(style.share for style in styles.values())
    return tuple(styles), tuple(style.share / total for style in styles.values())
