"""Words of phrases: which tokens may follow, with any token boundaries."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instructsam.model.phrase_words import Lexicon, PhraseWords, other_numbers, words_of

END, START = 0, 1
PIECES = (
    "red",
    " mug",
    "s",
    "mug",
    " ",
    "re",
    "d",
    "d m",
    "u",
    "g bl",
    "ue",
    "x",
    "",
    "rö",
    " red mug",
    "mugs, ",
)
SPELLINGS = dict(enumerate((piece.encode() for piece in PIECES), start=2))
SPELLINGS |= {len(SPELLINGS) + 2 + byte: bytes([byte]) for byte in range(256)}
IDS = {spelling: token for token, spelling in reversed(SPELLINGS.items())}
WORDS = PhraseWords(SPELLINGS, {END, START}, (Lexicon(["red", "mug", "mugs", "blue", "rötlich", "杯子"]),))


def tokens(*pieces: str | bytes) -> list[int]:
    return [IDS[piece if isinstance(piece, bytes) else piece.encode()] for piece in pieces]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (("red",), True),
        (("re",), True),
        (("x",), False),
        ((" mug",), True),  # a space before the first word
        ((" ", " mug"), False),  # but only one
        ((" ", " "), False),
        (("red", "mug"), False),  # "redmug"
        (("red", " mug"), True),
        (("re", " mug"), False),  # "re" is no word
        (("re", "d m", "u", "g bl", "ue"), True),
        (("re", "d m", "u", "g bl", " mug"), False),
        (("red", " red mug", "s"), True),
        (("red", " red mug", "s", "s"), False),
        (("mugs, ",), False),
        (("rö", "t", "l", "i", "c", "h"), True),
        (("r", "ö".encode()[:1], "ö".encode()[1:], "t"), True),
        (("r", "ö".encode()[:1], "t"), False),
        (("杯".encode()[:1], "杯".encode()[1:2]), True),
        (("杯".encode()[:1], " "), False),
        (("",), False),
    ],
)
def test_a_token_may_follow_while_its_word_can_become_a_real_one(
    pieces: tuple[str | bytes, ...], expected: bool
) -> None:
    *phrase, last = tokens(*pieces)
    assert WORDS.allows(phrase, last) is expected


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((), False),
        (("re",), False),
        (("red",), True),
        (("red", " "), False),
        ((" ",), False),
        (("red", " mug"), True),
    ],
)
def test_a_phrase_ends_after_a_complete_word(pieces: tuple[str, ...], expected: bool) -> None:
    phrase = tokens(*pieces)
    assert WORDS.allows(phrase, END) is WORDS.allows(phrase, START) is expected


def test_unknown_tokens_never_stand_in_a_phrase() -> None:
    assert not WORDS.allows(tokens("red"), 10_000)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(SPELLINGS)), max_size=6), st.integers(0, 2**32))
def test_the_choice_is_the_largest_allowed_logit(phrase: list[int], seed: int) -> None:
    logits = torch.randn(len(SPELLINGS) + 2, generator=torch.Generator().manual_seed(seed))
    allowed = [token for token in range(len(logits)) if WORDS.allows(phrase, token)]
    best = int(logits.argmax())
    expected = max(allowed, key=lambda token: float(logits[token])) if allowed else best
    assert WORDS.choose(phrase, best, logits) == expected


def test_words_of_the_instruction_are_added_in_both_numbers() -> None:
    words = WORDS.with_instruction("Segment the Frobnicators, the t-shirt; and <|object_ref_end|> Red mug!")
    for word in ("Frobnicators", "frobnicators", "frobnicator", "t-shirt", "shirt", "shirts", "end", "Red"):
        text = [*tokens("red", " "), *(IDS[bytes([byte])] for byte in word.encode())]
        assert words.allows(text, END), word
        assert not WORDS.allows(text, END), word
    assert not words.allows([IDS[bytes([byte])] for byte in b"reds"], END)  # a known word has its own forms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "the mug's 2nd red-and-white lid!?",
            ["the", "mug's", "mug", "s", "2nd", "red-and-white", "red", "and", "white", "lid"],
        ),
        ("<|im_end|>[SEG]", ["im", "end", "SEG"]),
        ("🍎🍎 -- ️‍ ...", []),
        ("हिन्दी कप/杯子", ["हिन्दी", "कप", "杯子"]),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


@pytest.mark.parametrize(
    ("word", "others"),
    [
        ("mug", {"mugs"}),
        ("glasses", {"glass"}),
        ("horses", {"horse"}),
        ("berry", {"berries"}),
        ("berries", {"berry"}),
        ("knives", {"knife"}),
        ("box", {"boxes"}),
        ("glass", {"glasses"}),
        ("toy", {"toys"}),
        ("of", set()),
        ("2nd", set()),
    ],
)
def test_other_numbers(word: str, others: set[str]) -> None:
    assert others <= set(other_numbers(word))
    assert word not in other_numbers(word)
