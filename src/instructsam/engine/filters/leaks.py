"""Words that give the answer away: numbers and outlines of the marks, coordinates, file names.

The proposing model sees numbered outlines, and the trained model will not. A number may stand for a mark ("number 4"),
or belong to the picture ("the number 4 bus"): a weak pattern is no leak where the text names something that carries
numbers. docs/engine_filters.md gives precision and recall.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from instructsam.engine.filters.leak_patterns import CARRIERS, DIGITS, QUANTITY, STRONG, SUSPECT, WEAK

_QUOTES = re.compile("[\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb]")
_SHORTEST_STEM = 5  # characters of a file's name; shorter ones occur in ordinary text


def find_leak(text: str, categories: Iterable[str] = (), file: str = "") -> tuple[str, str] | None:
    """The kind of the first leak, such as "a mark", and its words; None without one.

    Args:
        text: an instruction or a phrase.
        categories: of the objects of the picture: with a number they name a mark ("dog 3").
        file: name of the image.
    """
    flat = _flat(text)
    stem = re.split(r"[/\\]", file)[-1].rsplit(".", 1)[0].casefold()
    if len(stem) >= _SHORTEST_STEM and any(map(str.isdigit, stem)) and stem in flat:
        return "a file", stem
    if not SUSPECT.search(flat):
        return None
    counted = QUANTITY.sub(" ", flat)
    for name, pattern in STRONG.items():
        if found := pattern.search(counted):
            return name, found[0].strip()
    if CARRIERS.search(counted):
        return None
    found = WEAK.search(counted) or _of_categories(frozenset(categories)).search(counted)
    return ("a mark", found[0].strip()) if found else None


def _flat(text: str) -> str:
    """One line in lower case, with ordinary letters and digits and without quotation marks."""
    return " ".join(_QUOTES.sub("", unicodedata.normalize("NFKC", text)).casefold().split())


@lru_cache(maxsize=1024)
def _of_categories(categories: frozenset[str]) -> re.Pattern[str]:
    names = "|".join(re.escape(_flat(name)) for name in sorted(categories) if name.strip())
    return re.compile(rf"\b(?:{names})[-_ ] ?#?{DIGITS}(?! ?\))" if names else r"(?!)")
