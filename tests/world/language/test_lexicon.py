"""Articles follow the sound of a word, not its letter."""

from __future__ import annotations

import pytest

from instructsam.world.language.lexicon import indefinite

AN = ("apple", "A-frame tent", "umbrella", "unpatterned mug", "hourglass", "X-ray", "LED lamp")
A = ("mug", "house", "unicorn", "uniformly red mug", "one-coloured hat", "ukulele", "UFO", "CD", "useful mug")


@pytest.mark.parametrize("words", [*AN, *A])
def test_indefinite_articles(words: str) -> None:
    assert indefinite(words) == f"{'an' if words in AN else 'a'} {words}"
