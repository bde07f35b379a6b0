from __future__ import annotations

import unicodedata

import pytest

from instructsam.visualization.scripts import visual_order


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("red mug 12 (0.5)", "red mug 12 (0.5)"),
        ("שלום", "םולש"),
        ("שלום עולם: 1 (0.90)", "םלוע םולש: 1 (0.90)"),
        ("the שלום mug", "the םולש mug"),
        ("ספל 12.5 אדום", "םודא 12.5 לפס"),
        ("א(ב)ג", "ג(ב)א"),
        ("שָׁם", "םשָׁ"),  # marks stay behind their letter
        ("", ""),
    ],
)
def test_right_to_left_words_are_mirrored(text: str, drawn: str) -> None:
    assert visual_order(text) == drawn


def test_arabic_letters_are_joined() -> None:
    drawn = visual_order("مرحبا")
    names = [unicodedata.name(letter).removeprefix("ARABIC LETTER ") for letter in reversed(drawn)]
    assert names == [
        "MEEM INITIAL FORM",
        "REH FINAL FORM",
        "HAH INITIAL FORM",
        "BEH MEDIAL FORM",
        "ALEF FINAL FORM",
    ]
