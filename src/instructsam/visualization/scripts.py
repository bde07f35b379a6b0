"""Right-to-left scripts for a left-to-right renderer: visual order and, for Arabic, joined forms.

A small part of the Unicode bidirectional algorithm (UAX 9) that is enough for captions: the line runs from left to
right, and each stretch of right-to-left words is mirrored as a whole, with its numbers kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_KINDS = {"R": "R", "AL": "R", "L": "L", "NSM": "M", "EN": "D", "AN": "D"}
_MIRRORED = str.maketrans("()[]{}<>", ")(][}{><")


def visual_order(text: str) -> str:
    """The line as it is drawn from left to right; text without right-to-left letters is returned as it is."""
    kinds = "".join(_KINDS.get(unicodedata.bidirectional(letter), "N") for letter in text)
    if "R" not in kinds:
        return text
    text = "".join(_joined(text))
    pieces, end = [], 0
    for span in re.finditer(r"R(?:[RMND]*[RM])?", kinds):
        parts = re.finditer(r"D+(?:ND+)*|.M*", span.group())  # a number, or a letter with its marks
        words = [text[span.start() + part.start() : span.start() + part.end()] for part in parts]
        pieces += [text[end : span.start()], "".join(reversed(words)).translate(_MIRRORED)]
        end = span.end()
    return "".join(pieces) + text[end:]


def _joined(text: str) -> Iterator[str]:
    """Each letter in the form that its neighbours require, one for one."""
    letters = [letter for letter in text if unicodedata.bidirectional(letter) != "NSM"]
    place = 0
    for letter in text:
        if unicodedata.bidirectional(letter) == "NSM":
            yield letter
            continue
        forms = _forms().get(letter, {})
        before = letters[place - 1] if place else ""
        after = letters[place + 1] if place + 1 < len(letters) else ""
        from_before = "final" in forms and "initial" in _forms().get(before, {})
        to_after = "initial" in forms and "final" in _forms().get(after, {})
        place += 1
        form = (
            "medial"
            if from_before and to_after
            else "final"
            if from_before
            else "initial"
            if to_after
            else ""
        )
        yield forms.get(form, letter)


@lru_cache(maxsize=1)
def _forms() -> dict[str, dict[str, str]]:
    """Presentation forms of Arabic letters by name, from the compatibility decompositions of Unicode."""
    found: dict[str, dict[str, str]] = {}
    for letter in map(chr, range(0xFB50, 0xFEFD)):
        tag, *codes = unicodedata.decomposition(letter).split() or [""]
        if len(codes) == 1 and tag != "<isolated>":
            found.setdefault(chr(int(codes[0], 16)), {})[tag.strip("<>")] = letter
    return found
