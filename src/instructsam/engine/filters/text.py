"""Faults in the words of a candidate: found before any verification is paid for, and again at the export."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator

from instructsam.config import to_dict
from instructsam.engine.candidates import Candidate
from instructsam.engine.filters.banned_words import find_banned, load_banned_words
from instructsam.engine.filters.language import bad_characters, foreign_letters, other_language, scripts_of
from instructsam.engine.filters.leaks import find_leak
from instructsam.engine.filters.problem import Problem
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.filters import FilterSettings
from instructsam.structures.checks import shorten

_NOTHING = re.compile("nothing|none|no (?:object|target)s?|n/?a|null|nil|empty|unknown|no match|not present")
_AT_EXPORT = frozenset(
    ("similar_images", "images_per_group", "similar_text", "copies_per_text", "exclude", "exclude_by_pixels")
)
_REPEATED = re.compile(r"\b(\w+(?:\W+\w+){0,5}?)(?:\W+\1\b){2,}")


def text_problems(candidate: Candidate, row: ImageRow, settings: FilterSettings) -> list[Problem]:
    """The faults of a candidate's words; empty for a good one.

    Equal arguments have equal results, as long as the file of banned words and py3langid's model stay the same.

    Raises:
        ConfigError: `settings.banned_words` or `settings.language` cannot be used.
        MissingExtraError: the language is checked, and py3langid is not installed.
    """
    found = list(_shape_problems(candidate, settings))
    if any(problem.code == "length" for problem in found):
        return found  # the other checks are made for short texts
    texts = {"instruction": candidate.instruction}
    for phrase in candidate.phrases:
        if phrase.text not in texts.values():
            texts[f"phrase {shorten(phrase.text)}"] = phrase.text
    for name, text in texts.items():
        found += _word_problems(f"the {name}", text, row, settings)
    return found


def candidate_fingerprint(settings: FilterSettings) -> str:
    """Differs between settings, and contents of the file of banned words, that faults of candidates depend on."""
    words = sorted(load_banned_words(settings.banned_words).values()) if settings.banned_words else []
    values = {name: value for name, value in to_dict(settings).items() if name not in _AT_EXPORT}
    content = json.dumps([{**values, "banned_words": words}], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _shape_problems(candidate: Candidate, settings: FilterSettings) -> Iterator[Problem]:
    words, length = len(candidate.instruction.split()), len(candidate.instruction)
    if not any(map(str.isalnum, candidate.instruction)):
        yield Problem("length", "the instruction has no words")
    if words > settings.max_words or length > settings.max_characters:
        limits = f"{settings.max_words} words and {settings.max_characters} characters"
        yield Problem(
            "length", f"the instruction has {words} words and {length} characters; at most {limits}"
        )
    if not 1 <= len(candidate.phrases) <= settings.max_phrases:
        count = len(candidate.phrases)
        yield Problem(
            "phrase count", f"there are {count} phrases; at least 1 and at most {settings.max_phrases}"
        )
    yield from _phrase_problems(candidate, settings)


def _phrase_problems(candidate: Candidate, settings: FilterSettings) -> Iterator[Problem]:
    seen: set[str] = set()
    for phrase in candidate.phrases:
        named, words = shorten(phrase.text), len(phrase.text.split())
        flat = " ".join(phrase.text.casefold().split()).strip(" .")
        if _NOTHING.fullmatch(flat) or not any(map(str.isalnum, flat)):
            advice = "a phrase names the things that are meant, absent ones too"
            yield Problem("empty phrase", f"the phrase {named} names nothing; {advice}")
        elif flat in seen:
            yield Problem("repetition", f"the phrase {named} stands there twice")
        seen.add(flat)
        if words > settings.max_phrase_words or len(phrase.text) > settings.max_characters:
            yield Problem("length", f"a phrase has {words} words; at most {settings.max_phrase_words}")


def _word_problems(name: str, text: str, row: ImageRow, settings: FilterSettings) -> Iterator[Problem]:
    if bad := bad_characters(text):
        yield Problem("characters", f"{name} has markup or control characters ({bad}); write plain words")
    scripts = scripts_of(settings.language) if settings.scripts is None else settings.scripts
    if letters := foreign_letters(text, scripts):
        yield Problem("script", f"{name} has letters of another script ({letters})")
    elif language := other_language(text, settings.language):
        yield Problem("language", f"{name} is in another language ({language}, not {settings.language})")
    if settings.banned_words and (word := find_banned(text, load_banned_words(settings.banned_words))):
        yield Problem("banned word", f"{name} has the banned word {shorten(word)}")
    if settings.leaks:
        categories = (instance.category for instance in row.instances)
        if leak := find_leak(text, categories, row.image.file):
            kind, words = leak
            yield Problem(
                "leak",
                f"{name} refers to {kind} ({shorten(words)}); describe the objects by looks, place or use",
            )
    if found := _REPEATED.search(text.casefold()):
        yield Problem("repetition", f"{name} repeats itself ({shorten(found[1])})")
