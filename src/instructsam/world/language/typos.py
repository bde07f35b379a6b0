"""One typo, as people make them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MIN_LETTERS = 4
_WORD = re.compile(rf"[^\W\d_]{{{MIN_LETTERS},}}")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Letter -> the letters that touch it on a QWERTY keyboard, whose rows are shifted by half a key."""
    places = {key: (2 * x + y, y) for y, row in enumerate(_ROWS) for x, key in enumerate(row)}
    return {
        key: "".join(
            other
            for other, (there, below) in places.items()
            if other != key and abs(there - x) <= 2 - abs(below - y) and abs(below - y) <= 1
        )
        for key, (x, y) in places.items()
    }


_KEYS = _neighbours()


def with_typo(rng: np.random.Generator, text: str) -> str:
    """The text with exactly one typo inside one word of at least `MIN_LETTERS` letters, deterministic in `rng`.

    A typo is two swapped neighbours, a dropped letter, a doubled letter or a neighbouring QWERTY key, each kind
    equally often where the word allows it. The first letter stays, and a final "s" is not dropped or mistyped:
    "mug" would mean another target than "mugs". The text is unchanged where no word is long enough.
    """
    words = list(_WORD.finditer(text))
    if not words:
        return text
    word = words[int(rng.integers(len(words)))]
    kinds = [options for options in _slips(word.group()) if options]
    options = kinds[int(rng.integers(len(kinds)))]
    return text[: word.start()] + options[int(rng.integers(len(options)))] + text[word.end() :]


def _slips(word: str) -> tuple[list[str], list[str], list[str], list[str]]:
    """All swapped, dropped, doubled and mistyped versions of the word; none equals it."""
    inner = range(1, len(word))
    kept = range(1, len(word) - (word[-1] in "sS"))
    swapped = [
        word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        for i in range(1, len(word) - 1)
        if word[i] != word[i + 1]
    ]
    dropped = [word[:i] + word[i + 1 :] for i in kept]
    doubled = [word[:i] + word[i] + word[i:] for i in inner]
    mistyped = [
        word[:i] + (key.upper() if word[i].isupper() else key) + word[i + 1 :]
        for i in kept
        for key in _KEYS.get(word[i].lower(), "")
    ]
    return swapped, dropped, doubled, mistyped
