"""Real words in phrases: which tokens the language model may write between the markers of a phrase.

A word is everything between two spaces. A token is allowed while the word that it continues can still become an
allowed one, and a word may end only when it is complete. Words are compared as UTF-8 bytes, so tokens may hold several
words, or a part of a character. Allowed are a model's word list and the words of the instruction.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_JOINERS = "-'’"  # inside a word: "t-shirt", "cat's"
_SIBILANTS = ("s", "x", "z", "ch", "sh")
_AT_ONCE = 64  # candidates that one copy from the device brings


class Lexicon:
    """A set of words that also knows their beginnings."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(word.encode() for word in words)
        self._sorted = sorted(self._words)

    def __contains__(self, word: bytes) -> bool:
        return word in self._words

    def has_prefix(self, start: bytes) -> bool:
        """Whether a word begins with these bytes."""
        place = bisect_left(self._sorted, start)
        return place < len(self._sorted) and self._sorted[place].startswith(start)


class PhraseWords:
    """The strategy of one sample: chooses the next token of a phrase so that its words stay real."""

    def __init__(
        self, spellings: Mapping[int, bytes], structural: Collection[int], lexicons: Sequence[Lexicon]
    ) -> None:
        """Words for the tokens of one tokenizer.

        Args:
            spellings: token id -> its bytes; tokens without an entry never stand in a phrase.
            structural: ids of special tokens, which may follow a complete word.
            lexicons: the allowed words.
        """
        self.spellings = spellings
        self.structural = structural
        self.lexicons = lexicons

    def with_instruction(self, text: str) -> PhraseWords:
        """The same words and those of an instruction: as typed, in lower case and, if unknown, in the other number."""
        found = set(words_of(text))
        found |= {word.lower() for word in found}
        unknown = [word for word in found if not self._is_word(word.encode())]
        own = Lexicon({form for word in unknown for form in (word, *other_numbers(word))})
        return PhraseWords(self.spellings, self.structural, (*self.lexicons, own))

    def allows(self, phrase: Sequence[int], token: int) -> bool:
        """Whether a token may follow the tokens of a phrase."""
        return self._continues(self._text(phrase), token)

    def choose(self, phrase: Sequence[int], token: int, logits: Tensor) -> int:
        """The likeliest allowed token.

        Args:
            phrase: token ids of the phrase so far.
            token: the likeliest token of all.
            logits: float [V], of the next token.

        Returns:
            `token` where it is allowed, or where no token is.
        """
        text = self._text(phrase)
        if self._continues(text, token):
            return token
        for chunk in logits.argsort(descending=True, stable=True).split(_AT_ONCE):
            for candidate in chunk.tolist():
                if self._continues(text, candidate):
                    return int(candidate)
        return token

    def _text(self, phrase: Sequence[int]) -> bytes:
        return b"".join(self.spellings.get(token, b"") for token in phrase)

    def _continues(self, text: bytes, token: int) -> bool:
        open_word = text.rpartition(b" ")[2]
        if token in self.structural:
            return self._is_word(open_word)
        spelling = self.spellings.get(token)
        if not spelling:
            return False
        *complete, last = (open_word + spelling).split(b" ")
        if complete and not text and not complete[0]:
            complete = complete[1:]  # a space before the first word
        if not all(self._is_word(word) for word in complete):
            return False
        return not last or any(lexicon.has_prefix(last) for lexicon in self.lexicons)

    def _is_word(self, word: bytes) -> bool:
        return any(word in lexicon for lexicon in self.lexicons)


def words_of(text: str) -> Iterator[str]:
    """Words of a text without punctuation; of "red-and-white" also the parts."""
    for chunk in text.split():
        letters = "".join(letter if _is_part(letter) else " " for letter in chunk)
        for joined in letters.split():
            word = joined.strip(_JOINERS)
            parts = "".join(" " if letter in _JOINERS else letter for letter in word).split()
            yield from (part for part in dict.fromkeys((word, *parts)) if any(map(str.isalnum, part)))


def _is_part(letter: str) -> bool:
    """Whether a word may have it: a letter, a mark on a letter, a digit or a joiner."""
    return letter in _JOINERS or unicodedata.category(letter)[0] in "LMN"


def other_numbers(word: str) -> tuple[str, ...]:
    """The regular plurals and singulars of an English noun; none of a short word or one with other characters."""
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return ()
    if word.endswith("ies"):
        return (word[:-3] + "y", word[:-1])
    if word.endswith("ves"):
        return (word[:-3] + "f", word[:-3] + "fe", word[:-1])
    if word.endswith("es") and word[:-2].endswith(_SIBILANTS):
        return (word[:-2], word[:-1])
    if word.endswith("s") and not word.endswith("ss"):
        return (word[:-1], word + "es")
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word[:-1] + "ies",)
    return (word + ("es" if word.endswith(_SIBILANTS) else "s"),)
