"""Instructions that repeat another one: of the same image, and over the set.

Two texts are near-duplicates from a Jaccard similarity of their pairs of neighbouring words. Within an image all pairs
are compared. Over the set, MinHash (datasketch) finds candidates for the comparison.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from instructsam.engine.candidates import Candidate

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
_WITHOUT_MEANING = frozenset(("a", "an", "the", "please"))


def normal_text(text: str) -> str:
    """Words in lower case, without punctuation, articles and "please": equal for instructions that mean the same."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return " ".join([word for word in words if word not in _WITHOUT_MEANING] or words)


def shingles(normal: str) -> frozenset[tuple[str, str]]:
    """Pairs of neighbouring words; the first and the last one have an empty neighbour."""
    words = ["", *normal.split(), ""]
    return frozenset(pairwise(words))


def similarity(a: frozenset[tuple[str, str]], b: frozenset[tuple[str, str]]) -> float:
    """Jaccard similarity in [0, 1]."""
    return len(a & b) / len(a | b)


def fewest_shingles(threshold: float) -> float:
    """Of texts that can be similar to others: one more word replaces one shingle by two. Repeated words change fewer,
    and short texts with such words are not compared.
    """
    return (1 + 2 * threshold) / (1 - threshold) if threshold < 1 else float("inf")


def repeated_in_image(
    candidates: Sequence[Candidate], by_person: Sequence[bool], threshold: float
) -> dict[int, str]:
    """Candidates of one image to drop, by their index, with the reason.

    The first one of several stays, those that a person accepted before others. Similar instructions that mean other
    objects are no repetition. Equal instructions that mean other objects contradict each other: none of them stays,
    except for a person's.
    """
    texts = [normal_text(candidate.instruction) for candidate in candidates]
    answers = [tuple(phrase.numbers for phrase in candidate.phrases) for candidate in candidates]
    parts = [shingles(text) for text in texts]
    order = sorted(range(len(candidates)), key=lambda index: (not by_person[index], index))
    dropped: dict[int, str] = {}
    for place, index in enumerate(order):
        for earlier in order[:place]:
            same_answer = candidates[index].numbers == candidates[earlier].numbers
            if texts[index] == texts[earlier] and not same_answer:
                dropped[index] = "contradicts an equal instruction of the image"
                if not by_person[earlier]:
                    dropped[earlier] = dropped[index]
            elif same_answer and earlier not in dropped and index not in dropped:
                if texts[index] == texts[earlier] and answers[index] == answers[earlier]:
                    dropped[index] = "equals another instruction of the image"
                elif similarity(parts[index], parts[earlier]) >= threshold:
                    dropped[index] = "is similar to another instruction of the image"
    return dropped
