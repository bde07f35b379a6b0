"""A list of words that no instruction may have. None is shipped: what offends differs between languages and uses."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from instructsam.errors import ConfigError
from instructsam.structures.files import reason

Expressions = Mapping[tuple[str, ...], str]
_WORD = re.compile(r"\w+")


def load_banned_words(path: str) -> Expressions:
    """The expressions of a file, as words: one per line; empty lines and those that start with # are comments.

    The file is read once per process, and again when it has changed.

    Raises:
        ConfigError: the file cannot be read, or holds no words.
    """
    try:
        status = Path(path).stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return _load(path, status.st_size, status.st_mtime_ns)


def find_banned(text: str, banned: Expressions) -> str:
    """The first banned expression, as the file writes it; "" without one. Only whole words count."""
    words = _words(text)
    for length in sorted({len(expression) for expression in banned}):
        for start in range(len(words) - length + 1):
            found = banned.get(tuple(words[start : start + length]))
            if found is not None:
                return found
    return ""


@lru_cache(maxsize=8)
def _load(path: str, size: int, time: int) -> Expressions:
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    stripped = (line.strip() for line in lines)
    found = {tuple(_words(line)): line for line in stripped if line and not line.startswith("#")}
    found.pop((), None)
    if not found:
        raise ConfigError(
            f"filters.banned_words: expected a word per line in {path!r}, got none: fill it, or set ''"
        )
    return found


def _words(text: str) -> list[str]:
    """Lower case, without accents and the variants of letters that Unicode calls compatible."""
    flat = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(letter for letter in flat if not unicodedata.combining(letter)))


def _unreadable(path: str, error: Exception) -> ConfigError:
    cause = reason(error) if isinstance(error, OSError) else str(error)
    return ConfigError(f"filters.banned_words: expected a UTF-8 text file, got {path!r} ({cause})")
