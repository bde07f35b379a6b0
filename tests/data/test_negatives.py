"""Negatives made on purpose: absent categories, look-alikes first, a pure function of seed, sample and pass."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.negatives import Negatives, WithNegatives, positives_per_image, with_negative_records
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record
from instructsam.data.record_source import RecordSource
from instructsam.data.sample import TrainingSample
from instructsam.data.sources import Shuffled
from instructsam.data.templates import NAME_ALONE, Wording
from instructsam.data.vocabulary import Vocabulary
from instructsam.structures.masks import encode_rle

NAMES = ("mug", "wine glass", "police car", "car", "tree", "fork")


def vocabulary(*shown: str) -> Vocabulary:
    """Of image "a.png" with the given categories, and of one more image per name."""
    found = Vocabulary()
    for name in NAMES:
        found.add(name, {"mug": "dish", "wine glass": "dish", "tree": "plant"}.get(name, ""))
        found.see(f"{name}.png", [name])
    found.add("label without an image")
    found.see("a.png", shown)
    return found


def source(folder: Path, *shown: str) -> RecordSource:
    Image.new("RGB", (6, 4)).save(folder / "a.png")
    mask = np.zeros((4, 6), bool)
    mask[1, 1] = True
    one = InstanceRecord(encode_rle(mask), (1.0, 1.0, 1.0, 1.0))
    image = ImageRef("a.png", 4, 6)
    records = [Record(name, image, name, (PhraseRecord(name, (one,)),)) for name in shown]
    return RecordSource("x", folder, records or [Record("0", image, "mug", (PhraseRecord("mug", ()),))], 8)


def negatives(folder: Path, *shown: str, rate: float = 1.0, most: int = 8, seed: int = 0) -> WithNegatives:
    known = vocabulary(*shown)
    drawn = Negatives(known, rate, Wording(("every {category}",), 0, known.used))
    return WithNegatives(source(folder, *shown), drawn, most, seed)


def absent(sample: TrainingSample) -> list[str]:
    return [one.phrases[0].text for one in sample.instructions if not one.phrases[0].instances]


def test_what_an_image_does_not_show() -> None:
    known = vocabulary("police car", "mug")
    assert known.used == NAMES
    assert known.absent("a.png") == ("wine glass", "tree", "fork")  # a police car is a car
    assert vocabulary("car").absent("a.png") == tuple(name for name in NAMES if name != "car")
    assert known.absent("another.png") == ()
    assert known.alike("a.png") == ("wine glass",)
    for number in range(3):
        known.see(f"{number}.png", ["mug", "fork"])
    assert known.alike("a.png") == ("wine glass", "fork")  # three of five images with a mug show a fork
    grouped = Vocabulary()
    for name, group in (("vehicle", ""), ("car", "vehicle"), ("cars", ""), ("Tree", "")):
        grouped.add(name, group)
        grouped.see(name, [name])
    assert grouped.absent("car") == ("Tree",)


def test_negatives_are_drawn_by_seed_sample_and_pass(tmp_path: Path) -> None:
    made = negatives(tmp_path, "mug", "tree", rate=0.75)
    samples = [made.sample_of_pass(0, number) for number in range(200)]
    counts = Counter(len(absent(sample)) for sample in samples)
    assert set(counts) == {1, 2}  # 1.5 on average
    assert 60 < counts[1] < 140
    names = Counter(name for sample in samples for name in absent(sample))
    assert set(names) == set(NAMES) - {"mug", "tree"}
    assert names["wine glass"] > 2 * max(names["car"], names["fork"])  # the look-alike of a mug
    assert (
        samples[7].instructions
        == negatives(tmp_path, "mug", "tree", rate=0.75).sample_of_pass(0, 7).instructions
    )
    other = negatives(tmp_path, "mug", "tree", rate=0.75, seed=1)
    drawn = [[absent(one.sample_of_pass(0, number)) for number in range(20)] for one in (made, other)]
    assert drawn[0] != drawn[1]
    assert made.fingerprint != other.fingerprint != negatives(tmp_path, "mug", "tree").fingerprint
    shuffled = Shuffled(made, seed=3)
    assert [absent(shuffled[number]) for number in range(20)] == [absent(sample) for sample in samples[:20]]
    (text,) = {one.text for sample in samples for one in sample.instructions if one.phrases[0].text == "fork"}
    assert text == "every fork"


def test_positives_stay_and_a_limit_holds(tmp_path: Path) -> None:
    sample = negatives(tmp_path, "mug", "tree", rate=2.0)[0]
    assert [one.text for one in sample.instructions if one.phrases[0].instances] == ["mug", "tree"]
    assert len(absent(sample)) == 4
    few = negatives(tmp_path, "mug", rate=1.0, most=1)
    kinds = Counter(len(absent(few.sample_of_pass(0, number))) for number in range(200))
    assert set(kinds) == {0, 1}
    assert 60 < kinds[0] < 140
    assert (positives_per_image(8, 0.5), positives_per_image(8, 0), positives_per_image(1, 3)) == (5, 8, 1)
    crowded = negatives(tmp_path, *NAMES, rate=1.0)
    assert absent(crowded[0]) == []


def test_an_image_without_objects_gets_another_negative_in_every_pass(tmp_path: Path) -> None:
    made = negatives(tmp_path, rate=0.5)
    drawn = [absent(made.sample_of_pass(0, number)) for number in range(50)]
    assert {len(one) for one in drawn} == {1}
    assert len({one[0] for one in drawn}) == len(NAMES)


@pytest.mark.parametrize(
    ("name", "many"), [("mug", "mugs"), ("box", "boxes"), ("puppy", "puppies"), ("toy", "toys")]
)
def test_plurals_are_taken_for_the_same_thing(name: str, many: str) -> None:
    known = Vocabulary()
    known.see("a", [name])
    known.see("b", [many])
    assert known.absent("a") == known.absent("b") == ()


def test_negative_records_are_always_the_same(tmp_path: Path) -> None:
    known = vocabulary("mug", "tree")
    drawn = Negatives(known, 1.0, Wording(("{category}",), 0, known.used))
    records = [record for group in source(tmp_path, "mug", "tree").groups for record in group]
    both = with_negative_records(records, drawn, seed=0)
    assert both[:2] == records
    assert [one.phrases[0].instances for one in both[2:]] == [(), ()]
    assert {one.instruction for one in both[2:]} < set(NAMES) - {"mug", "tree"}
    assert both == with_negative_records(records, drawn, seed=0)
    assert len({one.id for one in both}) == 4


def test_instructions_of_other_images_are_absent_unless_they_share_a_phrase(tmp_path: Path) -> None:
    (mug, tree) = (record for group in source(tmp_path, "mug", "tree").groups for record in group)
    elsewhere = ImageRef("b.png", 4, 6)
    other = [
        replace(mug, instruction="the cup", image=elsewhere),
        replace(tree, instruction="a fir", image=elsewhere),
    ]
    known = Vocabulary.of_instructions([mug, *other])
    assert known.absent("a.png") == ("a fir",)
    assert known.absent("b.png") == ()
    (negative,) = with_negative_records(
        [mug], Negatives(known, 1.0, Wording(NAME_ALONE, 0, known.used)), seed=0
    )[1:]
    assert (negative.instruction, negative.phrases[0].text) == ("a fir", "tree")


def test_families_of_thousands_are_stored_once() -> None:
    names = [f"{letter}{number} man" for letter in "abcd" for number in range(2500)]
    found = Vocabulary()
    for number, name in enumerate(names):
        found.see(f"{number}.png", [name])
    tracemalloc.start()
    assert len(found.alike("0.png")) == len(names) - 1
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000_000, "a set for every member of the family would take gigabytes"
