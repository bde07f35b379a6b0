"""Repeated instructions, of an image and over the set."""

from __future__ import annotations

from contextlib import closing

import pytest

from instructsam.engine.filters.copies import limit_copies
from instructsam.engine.filters.near_texts import normal_text, repeated_in_image, shingles, similarity
from instructsam.engine.filters.pool import CandidatePool
from instructsam.engine.filters.report import FilterReport
from tests.engine.filters.rows import candidate, row

LONG = (
    "I am setting the table for two guests this evening, so show me every clean {} that could hold the soup which is "
    "still cooking on the stove behind the tall woman"
)


def repeated(*texts_and_numbers: tuple[str, tuple[int, ...]], people: tuple[int, ...] = ()) -> dict[int, str]:
    candidates = [candidate(text, numbers) for text, numbers in texts_and_numbers]
    by_person = [index in people for index in range(len(candidates))]
    return {
        index: reason.split()[0] for index, reason in repeated_in_image(candidates, by_person, 0.8).items()
    }


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("The red mug!", "red  mug", True),
        ("please, the dog", "a Dog", True),
        ("the dog", "the dogs", False),
        ("dog's tail", "dogs tail", False),
        ("the", "the", True),
    ],
)
def test_normal_text(a: str, b: str, equal: bool) -> None:
    assert (normal_text(a) == normal_text(b)) == equal
    assert normal_text("the") == "the"


def test_repetitions_in_an_image() -> None:
    assert repeated(("the red mug", (1,)), ("Red mug.", (1,))) == {1: "equals"}
    assert repeated(("the red mug", (1,)), ("the blue mug", (1,))) == {}
    assert repeated((LONG.format("bowl"), (1,)), (LONG.format("dish"), (1,))) == {1: "is"}
    assert repeated((LONG.format("bowl"), (1,)), (LONG.format("dish"), (2,))) == {}


def test_contradictions_in_an_image() -> None:
    contradiction = [("the mug", (1,)), ("mug", (1, 2)), ("the dog", (3,))]
    assert repeated(*contradiction) == {0: "contradicts", 1: "contradicts"}
    assert repeated(*contradiction, people=(1,)) == {0: "contradicts"}
    assert repeated(("the mug", (1,)), ("the mug", (1,)), people=(1,)) == {0: "equals"}


def kept_of(texts: list[str], threshold: float, most: int) -> tuple[list[str], FilterReport]:
    report = FilterReport()
    with closing(CandidatePool(report)) as pool:
        for number, text in enumerate(texts):
            pool.add(row(), candidate(text, name=f"{number:04}"), by_person=number == 3)
        limit_copies(pool, threshold, most)
        return list(pool.kept()), report


def test_copies_over_the_set_are_limited() -> None:
    texts = ["the dogs", "Dogs!", "the cats"] * 20
    kept, report = kept_of(texts, 0.8, 5)
    assert len(kept) == 10
    assert "0003" in kept  # a person's goes first
    assert report.dropped == {("set", "more than 5 near-duplicates of one instruction in the set"): 50}
    assert report.examples[next(iter(report.examples))] == "0000: the dogs"
    assert len(kept_of(texts, 0.8, 0)[0]) == 60


def test_similar_texts_count_as_copies() -> None:
    words = ["bowl", "dish", "cup", "plate", "glass", "jar"]
    texts = [LONG.format(word) for word in words] + [f"the {word} on the shelf" for word in words]
    assert similarity(shingles(normal_text(texts[0])), shingles(normal_text(texts[1]))) > 0.8
    assert len(kept_of(texts, 0.8, 2)[0]) == 2 + 6
    assert len(kept_of(texts, 1.0, 2)[0]) == 12
    # Which ones stay depends on ids alone.
    assert kept_of(texts, 0.8, 2)[0] == kept_of(texts, 0.8, 2)[0]
