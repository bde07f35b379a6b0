"""Filters of candidates: of their words before they are verified, and of accepted ones before they are written."""

from __future__ import annotations

import sys
import unicodedata
from functools import lru_cache
from typing import Annotated

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.errors import ConfigError

Script = Annotated[str, Field(min_length=1)]


class FilterSettings(Config):
    """The group `filters`. docs/engine_filters.md gives the reason for each default.

    Attributes:
        max_words, max_characters: of an instruction.
        max_phrase_words: of a phrase.
        max_phrases: of an instruction.
        language: ISO 639-1 code; "" for any language.
        scripts: whose letters may occur outside quotation marks, by the first word of their Unicode names (LATIN,
            CYRILLIC, CJK); empty for any, None for those of the language.
        banned_words: text file with a word or an expression per line; "" for none.
        leaks: whether words that refer to numbered marks, outlines, coordinates or files are faults.
        min_pixels, min_share: of an object's mask, in pixels and as a share of the image; smaller ones are faults.
        max_share: of an object's mask; larger ones are faults.
        duplicate_iou: from which two objects are the same one.
        similar_images: whether images are compared by pixels; their groups stay in one split.
        images_per_group: near-duplicates of one picture that are kept; 0 for all.
        similar_text: Jaccard similarity of their pairs of neighbouring words, from which two instructions are
            near-duplicates; 1 for equal ones alone.
        copies_per_text: near-duplicates of one instruction in the whole set; 0 for no limit.
        exclude: as `data.exclude` of a training run: "known" for every published test set in `source.folder`, their
            names, record files, folders of images.
        exclude_by_pixels: whether pictures without an identifier are compared by pixels.
    """

    max_words: int = Field(default=60, ge=1)
    max_characters: int = Field(default=400, ge=1, le=10_000)
    max_phrase_words: int = Field(default=20, ge=1)
    max_phrases: int = Field(default=6, ge=1)
    language: str = Field(default="en", pattern=r"^([a-z]{2,3})?$")
    scripts: tuple[Script, ...] | None = None
    banned_words: str = ""
    leaks: bool = True
    min_pixels: int = Field(default=64, ge=1)
    min_share: float = Field(default=0.0001, ge=0, lt=1)
    max_share: float = Field(default=0.95, gt=0, le=1)
    duplicate_iou: float = Field(default=0.9, gt=0, le=1)
    similar_images: bool = True
    images_per_group: int = Field(default=0, ge=0)
    similar_text: float = Field(default=0.8, gt=0, le=1)
    copies_per_text: int = Field(default=100, ge=0)
    exclude: tuple[str, ...] = ("known",)
    exclude_by_pixels: bool = True

    @model_validator(mode="after")
    def _check(self) -> FilterSettings:
        scripts = self.scripts or ()
        if unknown := [script for script in scripts if script not in _known_scripts(scripts)]:
            raise ConfigError(
                f"scripts must be first words of Unicode names, such as LATIN, CYRILLIC or CJK, got {unknown[0]!r}"
            )
        if self.min_share >= self.max_share:
            raise ConfigError(
                f"min_share must be less than filters.max_share ({self.max_share}), got {self.min_share}"
            )
        return self


@lru_cache(maxsize=16)
def _known_scripts(scripts: tuple[str, ...]) -> frozenset[str]:
    """Those of the names that a letter has; all of Unicode takes a fifth of a second, Latin none."""
    if scripts in ((), ("LATIN",)):
        return frozenset(scripts)
    letters = (chr(code) for code in range(sys.maxunicode + 1))
    heads = {unicodedata.name(letter, "").split(" ")[0] for letter in letters if letter.isalpha()}
    return frozenset(scripts) & heads
