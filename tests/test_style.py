"""Words that docstrings, comments, messages and pages avoid, and the plain ones to use instead."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "instructsam"

# Below src/instructsam: texts that are data, such as what people say to a model.
DATA = ("world/language/templates",)
# Pages that are not checked: the dated log of experiments, and one generated from the checked files.
OTHER_PAGES = ("experiments.md", "files.md")

# In text: pattern -> words to use instead.
WORDS = {
    r"\b(mend(s|ed|ing)?|heal(s|ed)?|mak(e|es|ing) good)\b": "fix, repair",
    r"\b(afresh|anew)\b": "again, from scratch",
    r"\bfor ever\b": "permanently",
    r"\bto the digit\b": "exactly",
    r"\bnow and then\b": "occasionally",
    r"\ball the same\b": "anyway",
    r"\b(goes|go|going) on where\b": "resumes",
    r"\b(is|are|was|were|be|been) (told|heard|said)\b": "is configured, received, reported",
    r"\b(is|are|was|were|be|been) asked\b": "is requested",
    r"\basked for\b": "requested",
    r"\b(can|could)(not| not)? be had\b": "is unavailable",
    r"\b(a|no) way out\b": "an actionable message",
    r"\bit is none\b": "name the kind: X is not a Qwen3-VL",
    r"\b(towers that see|teacher for the eyes|eyes and words|first light|nobody has)\b": "the field's own term",
    r"\b(in the same arena|rivals?)\b": "baselines",
    r"\bwhat it is\b": "name the thing",
    r"(^|[.;:] )What (?![^.?]*\?)": "a noun: 'Gradients that ...', 'Files that ...'",
}
# In names of Python code: one whole part of a name, as in `init_from` or `model.reinitialize`.
NAMES = {
    "take_" + "from": "init_from",
    "fresh": "new, staging, computed, reinitialize",
    "lit": "augment_brightness",
    "united": "merged",
    "eyes_and_words": "name the parts",
    "about_nothing": "absent",
    "says_something": "name the condition",
}


def checked_files() -> list[Path]:
    data = tuple(SOURCE / name for name in DATA)
    return [
        path
        for path in sorted(SOURCE.rglob("*.py"))
        if not any(path.is_relative_to(folder) for folder in data)
    ]


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and content of every text that a person reads: comments, docstrings and strings of several words."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def names(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of everything that the code names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for field in ("id", "attr", "arg", "name"):
            name = getattr(node, field, None)
            if isinstance(name, str):
                yield getattr(node, "lineno", 0), name


def findings(place: str, text: str) -> Iterator[str]:
    flat = " ".join(text.split())
    for pattern, better in WORDS.items():
        if match := re.search(pattern, flat):
            yield f"{place}: {match.group(0)!r}, better: {better}"


def test_text_uses_plain_words() -> None:
    problems = [
        problem
        for path in checked_files()
        for line, text in texts(path)
        for problem in findings(f"{path.relative_to(ROOT)}:{line}", text)
    ]
    assert not problems, "\n".join(problems)


def test_pages_use_plain_words() -> None:
    problems = []
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))):
        if path.name in OTHER_PAGES:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            problems += findings(f"{path.relative_to(ROOT)}:{number}", line)
    assert not problems, "\n".join(problems)


def test_names_are_plain() -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{line}: {name!r}, better: {NAMES[plain]}"
        for path in checked_files()
        for line, name in names(path)
        if (plain := name.strip("_")) in NAMES
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "text",
    [
        "how to mend it",
        "the model is asked twice",
        "errors with a way out",
        "What a caller gets back: instances.",
    ],
)
def test_the_word_list_can_fail(text: str) -> None:
    assert list(findings("place", text))


@pytest.mark.parametrize(
    "text", ["how to fix it", "What can fly? Answer in one word.", "the model is called twice"]
)
def test_the_word_list_accepts_plain_text(text: str) -> None:
    assert not list(findings("place", text))
