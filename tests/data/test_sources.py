"""Sources by number: records as samples, shuffled passes, and mixtures that keep their weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.data.record_source import RecordSource
from instructsam.data.sample import ObjectAttribute, TrainingSample
from instructsam.data.sources import MIXTURE_BLOCK, Mixture, Shuffled, endless, pass_length
from instructsam.errors import ConfigError, InputError
from instructsam.structures.masks import encode_rle


class Numbered:
    """Samples whose id is their number."""

    attributes: tuple[ObjectAttribute, ...] = ()

    def __init__(self, name: str, size: int | None = None) -> None:
        self.name = self.fingerprint = name
        self.size = size

    def __getitem__(self, index: int) -> TrainingSample:
        assert self.size is None or index < self.size
        return TrainingSample(
            f"{self.name}-{index}",
            np.zeros((2, 2, 3), np.uint8),
            (),
            np.zeros((0, 4), np.float32),
            np.zeros((0, 2, 2), bool),
        )

    def texts(self, count: int) -> Iterator[str]:
        return (f"{self.name} {number}" for number in range(count))

    def phrases(self) -> Iterator[str]:
        return iter([f"every {self.name}"])


def ids(source: Shuffled | Mixture, count: int) -> list[str]:
    return [source[index].id for index in range(count)]


def test_every_pass_holds_every_sample_once_in_another_order() -> None:
    seen = ids(Shuffled(Numbered("a", 7), seed=3), 21)
    passes = [seen[first : first + 7] for first in (0, 7, 14)]
    assert all(sorted(one) == [f"a-{n}" for n in range(7)] for one in passes)
    assert passes[0] != passes[1] != passes[2]
    assert ids(Shuffled(Numbered("a", 7), seed=3), 21) == seen != ids(Shuffled(Numbered("a", 7), seed=4), 21)
    world = Numbered("endless")
    assert endless(world, 0) is world


def test_phrases_come_from_every_source() -> None:
    mixture = Mixture([(Shuffled(Numbered("a", 7), seed=3), 1.0), (Numbered("b"), 3.0)], seed=5)
    assert list(mixture.phrases()) == ["every a", "every b"]


def test_a_mixture_keeps_its_weights_and_repeats_nothing_early() -> None:
    parts = [(Numbered("a"), 1.0), (Numbered("b", 400), 3.0)]
    mixed = Mixture(parts, seed=5)
    seen = ids(mixed, 2 * MIXTURE_BLOCK)
    counts = Counter(name[0] for name in seen)
    assert counts == {"a": MIXTURE_BLOCK // 2, "b": 3 * MIXTURE_BLOCK // 2}
    assert [name for name in seen if name[0] == "a"] == [f"a-{n}" for n in range(MIXTURE_BLOCK // 2)]
    b = [name for name in seen if name[0] == "b"]
    assert len(set(b[:400])) == len(set(b[400:800])) == 400
    assert mixed[1234].id == Mixture(parts, seed=5)[1234].id
    assert list(mixed.texts(8)) == ["a 0", "a 1", *(f"b {n}" for n in range(6))]
    assert mixed.fingerprint != Mixture([(parts[0][0], 1.0), (parts[1][0], 2.0)], seed=5).fingerprint


def test_repeats_are_passes_over_each_source_in_one_pass_over_all() -> None:
    parts = [(Numbered("a", 7), 3.0), (Numbered("b", 10), 0.5), (Numbered("c", 4), 1.0)]
    mixed = Mixture(parts, seed=2, numbers="repeats")
    assert pass_length(mixed) == 21 + 5 + 4
    seen = ids(mixed, 60)
    for first in (0, 30):
        one = Counter(name[0] for name in seen[first : first + 30])
        assert one == {"a": 21, "b": 5, "c": 4}
        assert set(Counter(name for name in seen[first : first + 30] if name[0] == "a").values()) == {3}
    assert len({name for name in seen if name[0] == "b"}) == 10, "half of it in each pass, in turn"
    assert seen[:30] != seen[30:]
    assert [mixed[index].id for index in (59, 3, 31)] == [seen[index] for index in (59, 3, 31)]
    by_weight = Mixture([(parts[0][0], 1.0), (parts[1][0], 3.0)], seed=2)
    assert pass_length(by_weight) == 7 * 4
    assert pass_length(endless(parts[0][0], 0)) == 7
    assert pass_length(Mixture([(Numbered("world"), 1.0), (Numbered("other"), 1.0)], seed=2)) is None


def test_repeats_need_sources_with_an_end() -> None:
    with pytest.raises(ConfigError, match="repeats counts passes over each source, and world has no end"):
        Mixture([(Numbered("world"), 2.0)], seed=0, numbers="repeats")
    with pytest.raises(ConfigError, match=r"a holds 3 samples, and 0.1 passes over them are 0"):
        Mixture([(Numbered("a", 3), 0.1)], seed=0, numbers="repeats")


def test_a_weight_that_is_never_drawn_is_refused() -> None:
    with pytest.raises(ConfigError, match="the weight of b is less than 1/1000"):
        Mixture([(Numbered("a"), 1.0), (Numbered("b"), 1e-5)], seed=0)


def records(folder: Path) -> list[Record]:
    """Three records about one image and one about another; two of them share an instance."""
    masks = np.zeros((2, 4, 6), bool)
    masks[0, :2, :3], masks[1, 3, 5] = True, True
    one, other = (InstanceRecord(encode_rle(mask), (0.0, 0.0, 6.0, 4.0)) for mask in masks)
    for name, value in (("a.png", 10), ("b.png", 20)):
        Image.fromarray(np.full((4, 6, 3), value, np.uint8)).save(folder / name)
    a, b = ImageRef("a.png", 4, 6), ImageRef("b.png", 4, 6)
    return [
        Record("1", a, "both", (PhraseRecord("mug", (one,)), PhraseRecord("key", (other,)))),
        Record("2", b, "nothing", (PhraseRecord("car", ()),)),
        Record("3", a, "the key", (PhraseRecord("key", (other,)),)),
        Record("4", a, "a crowd", (PhraseRecord("people", ()),), crowds=(one.rle,)),
        Record("5", a, "a mug", (PhraseRecord("mug", (one,)),)),
    ]


def test_records_about_one_image_share_a_sample(tmp_path: Path) -> None:
    write_records(tmp_path / "records.jsonl", records(tmp_path))
    source = RecordSource.open(tmp_path, instructions=2)
    assert (source.size, source.attributes, source.name) == (3, (), str(tmp_path))
    first, second, third = (source[index] for index in range(3))
    assert [one.text for one in first.instructions] == ["both", "the key"]
    assert [p.instances for one in first.instructions for p in one.phrases] == [(0,), (1,), (1,)]
    assert first.masks.sum(axis=(1, 2)).tolist() == [6, 1]
    assert np.allclose(first.boxes_cxcywh[1], [5.5 / 6, 3.5 / 4, 1 / 6, 1 / 4])
    assert first.image[0, 0].tolist() == [10, 10, 10]
    assert [one.text for one in second.instructions] == ["a mug"]  # the crowd has no known answer
    assert third.instructions[0].phrases[0].instances == ()
    assert third.masks.shape == (0, 4, 6)
    assert list(source.texts(4)) == ["both", "mug", "key", "the key"]
    assert source.left_out == {"instructions whose only targets are crowd or ignored regions": 1}


def test_boxes_points_crowds_and_ignored_pixels_become_objects(tmp_path: Path) -> None:
    rows = records(tmp_path)
    box, point = InstanceRecord(None, (1.6, 0.0, 2.0, 2.4)), InstanceRecord(None, None, point_xy=(5.9, 4.0))
    mug, key = (row.phrases[0].instances[0] for row in (rows[0], rows[2]))
    square = encode_rle(np.pad(np.ones((2, 2), bool), ((0, 2), (2, 2))))
    assert (mug.rle, key.rle) != (None, None)
    rows = [
        replace(rows[0], phrases=(PhraseRecord("mug", (mug, box, box, InstanceRecord(square, None))),)),
        replace(rows[2], phrases=(PhraseRecord("key", (point, key)),), crowds=(key.rle or {}, mug.rle or {})),
        replace(rows[4], ignore=mug.rle, crowds=(mug.rle or {},)),
    ]
    sample = RecordSource("x", tmp_path, rows, instructions=8)[0]
    assert sample.known == ("mask", "box", "mask", "point", "mask", "mask", "mask")
    # the second object is the box, rounded to columns 2 and 3; the third has these pixels as its mask
    assert [p.instances for one in sample.instructions for p in one.phrases] == [(0, 1, 2), (3, 4), (0,)]
    assert np.array_equal(sample.masks[1], sample.masks[2])
    assert sample.boxes_cxcywh[1].tolist() == pytest.approx([0.5, 0.25, 1 / 3, 0.5])
    assert np.argwhere(sample.masks[3]).tolist() == [[3, 5]]
    assert [one.ignore for one in sample.instructions] == [(), (5,), (6,)]
    # a crowd does not hide a target of the instruction, ignored pixels do
    assert np.array_equal(sample.masks[5], sample.masks[0])
    assert np.array_equal(sample.masks[6], sample.masks[0])


def test_a_fingerprint_follows_the_records(tmp_path: Path) -> None:
    rows = records(tmp_path)
    one, same, fewer = (RecordSource("x", tmp_path, some, 2) for some in (rows, rows, rows[:-1]))
    assert one.fingerprint == same.fingerprint != fewer.fingerprint


def test_two_sizes_of_one_image_are_refused_at_once(tmp_path: Path) -> None:
    rows = [*records(tmp_path), Record("6", ImageRef("a.png", 6, 4), "none", (PhraseRecord("car", ()),))]
    with pytest.raises(
        InputError, match=r"got 6 x 4 px in record '1' and 4 x 6 px in '6', both about 'a.png'"
    ):
        RecordSource("x", tmp_path, rows, 2)


def test_pictures_that_do_not_fit_are_named(tmp_path: Path) -> None:
    rows = records(tmp_path)
    Image.new("RGB", (5, 4)).save(tmp_path / "b.png")
    source = RecordSource("x", tmp_path, rows, 8)
    with pytest.raises(InputError, match=r"record '2': .*the record states 6 x 4 px, the image has 5 x 4"):
        source[1]
    (tmp_path / "b.png").unlink()
    with pytest.raises(InputError, match=r"x: 1 of 2 images are missing, such as '.*b\.png'"):
        RecordSource("x", tmp_path, rows, 8)
    with pytest.raises(InputError, match="holds no record to train on"):
        RecordSource("x", tmp_path, rows[3:4], 8)


def test_images_and_masks_are_loaded_with_smaller_sides(tmp_path: Path) -> None:
    masks = np.zeros((2, 400, 600), bool)
    masks[0, 100:200, 200:500], masks[1, 399, 599] = True, True
    objects = tuple(InstanceRecord(encode_rle(mask), (0.0, 0.0, 600.0, 400.0)) for mask in masks)
    Image.new("RGB", (600, 400), (90, 20, 20)).save(tmp_path / "a.jpg")
    rows = [Record("1", ImageRef("a.jpg", 400, 600), "mugs", (PhraseRecord("mug", objects),))]
    whole = RecordSource("x", tmp_path, rows, 8)[0]
    for side, size in ((150, (100, 150)), (600, (400, 600)), (9000, (400, 600))):
        small = RecordSource("x", tmp_path, rows, 8, max_side=side)[0]
        assert small.image.shape == (*size, 3)
        assert small.masks.shape == (2, *size)
        assert np.array_equal(small.boxes_cxcywh, whole.boxes_cxcywh)
        assert small.masks[0].mean() == pytest.approx(whole.masks[0].mean())
        assert small.masks[1, -1, -1], "a single pixel stays"
    Image.new("RGB", (600, 300)).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="the record states 600 x 400 px, the image has 600 x 300"):
        RecordSource("x", tmp_path, rows, 8, max_side=150)[0]
