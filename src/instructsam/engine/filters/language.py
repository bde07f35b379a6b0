"""Script, characters and language of a text.

The language is checked only where the text is long enough: on short phrases an identifier guesses. The limits are the
constants below; docs/engine_filters.md says how they were measured.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from instructsam.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

MIN_LETTERS = 15
"""Of a text whose language is checked."""
MAX_PROBABILITY = 0.001
"""Of the expected language, below which the text is in another one."""

_SCRIPTS = {
    "ar": ("ARABIC",),
    "be": ("CYRILLIC",),
    "bg": ("CYRILLIC",),
    "bn": ("BENGALI",),
    "el": ("GREEK",),
    "fa": ("ARABIC",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
    "ko": ("HANGUL", "CJK"),
    "mk": ("CYRILLIC",),
    "ru": ("CYRILLIC",),
    "sr": ("CYRILLIC",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "th": ("THAI",),
    "uk": ("CYRILLIC",),
    "ur": ("ARABIC",),
    "zh": ("CJK", "IDEOGRAPHIC"),
}
_JOINERS = "\u200c\u200d"  # needed by Persian, Hindi and emoji
_BAD_CATEGORIES = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_MARKUP = re.compile(r"<[^<>]{1,40}>|\*\*|[`{}\\]|\[/?[A-Z]{3,}\]|https?://|www\.")
_QUOTED = re.compile('"[^"]*"|\u201c[^\u201d]*\u201d|\u00ab[^\u00bb]*\u00bb')


def bad_characters(text: str) -> str:
    """The first control character (as U+ and its number) or piece of markup; "" without one."""
    if found := _MARKUP.search(text):
        return found[0]
    if text.isascii() and text.isprintable():
        return ""
    for letter in text:
        if letter == "\N{REPLACEMENT CHARACTER}" or (
            letter not in _JOINERS and unicodedata.category(letter) in _BAD_CATEGORIES
        ):
            return f"U+{ord(letter):04X}"
    return ""


def foreign_letters(text: str, scripts: Sequence[str]) -> str:
    """Letters of other scripts outside quotation marks, which hold the picture's own text; at most 10."""
    if not scripts or (text.isascii() and "LATIN" in scripts):
        return ""
    plain = unicodedata.normalize("NFKC", _QUOTED.sub("", text))
    return "".join(letter for letter in plain if letter.isalpha() and _script(letter) not in scripts)[:10]


def scripts_of(language: str) -> Sequence[str]:
    """The scripts of a language: Latin, which names and brands keep everywhere, and its own; none for any language."""
    return ("LATIN", *_SCRIPTS.get(language, ())) if language else ()


@lru_cache(maxsize=16384)  # the identifier is slow, and rounds and exports ask about the same texts again
def other_language(text: str, expected: str) -> str:
    """The most probable language of a text that is not in the expected one; "" otherwise, and for a short text.

    Raises:
        ConfigError: the identifier does not know the expected language.
        MissingExtraError: py3langid is not installed.
    """
    if not expected or sum(map(str.isalpha, text)) < MIN_LETTERS:
        return ""
    identifier = _identifier(expected)
    best = str(identifier.classify(text)[0])
    if best == expected:
        return ""
    probabilities: dict[str, float] = dict(identifier.rank(text))
    return best if probabilities[expected] < MAX_PROBABILITY else ""


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0]


@lru_cache(maxsize=8)
def _identifier(expected: str) -> LanguageIdentifier:
    identifier = _loaded()
    if expected not in identifier.labels:
        raise ConfigError(
            f"filters.language must be an ISO 639-1 code that py3langid knows, got {expected!r}: choose one of "
            f"{', '.join(sorted(identifier.labels))}, or '' to turn the check off"
        )
    return identifier


@lru_cache(maxsize=1)
def _loaded() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError(
            "filters.language needs py3langid: pip install 'instructsam[engine]', or set filters.language=''"
        ) from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
