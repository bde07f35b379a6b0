"""Rules by which an instruction allows its image to be cropped, mirrored or to lose its colours.

The rules know English. A text with letters beyond ASCII, or with a side word of another language, allows nothing.
docs/augmentation.md states them for users.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from instructsam.data.sample import TrainingSample
from instructsam.training.augmentation.english import (
    AFTER_SIDE,
    BEFORE_SIDE,
    CLEAR_AFTER_THE,
    COLORS,
    FOREIGN_SIDE,
    NO_SIDE,
    NO_SIDE_INSIDE,
    OF_THE_PICTURE,
    OPPOSITE,
    READING,
    SHORT_SIDES,
)

_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+(?:st|nd|rd|th)\b|\d+")
_QUOTES = frozenset('"“”«»`‘')
_QUOTED = re.compile(r"(?:^|\W)'[^']+'(?:\W|$)")


@dataclass(frozen=True)
class Allowed:
    """The changes of an image that the words of its sample allow."""

    crop: bool
    flip: bool
    grey: bool


def allowed_by(sample: TrainingSample) -> Allowed:
    """The changes that all instructions and phrases of a sample allow; a description of the image allows none."""
    if sample.descriptions:
        return Allowed(crop=False, flip=False, grey=False)
    texts = list(_texts(sample))
    reads = any(instruction.family.lower() == "ocr" for instruction in sample.instructions)
    return Allowed(
        crop=all(allows_crop(text) for text in texts),
        flip=not reads and all(mirrored(text) is not None for text in texts),
        grey=all(allows_grey(text) for text in texts),
    )


def _texts(sample: TrainingSample) -> Iterable[str]:
    for instruction in sample.instructions:
        yield instruction.text
        yield from (phrase.text for phrase in instruction.phrases)


def allows_crop(text: str) -> bool:
    """Whether the answer stays the same in any part of the image that holds all targets."""
    words = _words(text)
    return _is_english(text) and not any(
        word in OF_THE_PICTURE
        or word in OPPOSITE
        or _may_be_side(word)
        or word[0].isdigit()
        or word.endswith("most")
        for word in words
    )


def allows_grey(text: str) -> bool:
    """Whether the answer does not need colours."""
    return _is_english(text) and not any(
        word in COLORS or word.endswith(("coloured", "colored")) for word in _words(text)
    )


def mirrored(text: str) -> str | None:
    """The text for the mirrored image: side words are swapped; None where it must not be mirrored.

    That is: another language, text in the picture, a direction that a mirror keeps, or a "left" or "right" of which it
    is unclear whether it is a side.
    """
    words = _words(text)
    number = any(word.isdigit() for word in words)
    if (
        not _is_english(text)
        or number
        or _QUOTES & set(text)
        or any(word in READING or _may_be_side(word) for word in words)
        or _QUOTED.search(text)
    ):
        return None
    kept = [match.span() for match in NO_SIDE.finditer(text)]
    spans = [match.span() for match in _WORD.finditer(text)]
    parts, done = [], 0
    for place, (start, end) in enumerate(spans):
        word = text[start:end].lower()
        if word not in OPPOSITE:
            continue
        before = words[place - 1] if place else ""
        after = words[place + 1] if place + 1 < len(words) else ""
        is_side = word not in ("left", "right") or _is_side(word, before, after)
        in_idiom = any(first <= start < last for first, last in kept)
        if not is_side and in_idiom:
            continue
        clear = after in AFTER_SIDE or (after in CLEAR_AFTER_THE and before in ("the", "far"))
        if not is_side or (in_idiom and not clear):
            return None
        parts += [text[done:start], _as_cased(OPPOSITE[word], text[start:end])]
        done = end
    return "".join([*parts, text[done:]])


def _is_side(word: str, before: str, after: str) -> bool:
    """Whether "left" or "right" is a side for certain."""
    if after in AFTER_SIDE or before in BEFORE_SIDE:
        return True
    if before == "the":
        return (
            word == "left"
            or not after
            or after in ("and", "or", "with", "in", "that", "who", "which", "wearing")
        )
    return not before and bool(after)  # "left mug"


def _may_be_side(word: str) -> bool:
    """Whether a word names a side in a spelling of its own: "topleft", "leftside", "left's", "lft"."""
    if word in SHORT_SIDES:
        return True
    return word not in OPPOSITE and word not in NO_SIDE_INSIDE and ("left" in word or "right" in word)


def _as_cased(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def _words(text: str) -> list[str]:
    return [match.group().lower() for match in _WORD.finditer(text)]


def _is_english(text: str) -> bool:
    """Whether a text has no sign of another language: English words are ASCII, and sides have English names."""
    return not any(letter.isalpha() and not letter.isascii() for letter in text) and not FOREIGN_SIDE.search(
        text
    )
