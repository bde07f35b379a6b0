"""Test images are recognised by file, identifier, bytes and pixels, and counted by benchmark and reason."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from PIL import Image

from instructsam.data.exclusion import BenchmarkImages, Match, exclude
from instructsam.data.formats.source import Tally
from instructsam.data.hash_cache import HashCache
from instructsam.data.record import ImageRef, PhraseRecord, Record

PHOTOGRAPHS = sorted((Path(__file__).parents[2] / "docs" / "images").glob("*.jpg"))


def photograph(number: int, to: Path, scale: float = 1.0) -> Path:
    """A copy of a photograph: the same bytes, or re-encoded in another size."""
    to.parent.mkdir(parents=True, exist_ok=True)
    if scale == 1:
        shutil.copyfile(PHOTOGRAPHS[number], to)
    else:
        image = Image.open(PHOTOGRAPHS[number]).convert("RGB")
        image.resize((round(image.width * scale), round(image.height * scale))).save(to, quality=70)
    return to


def record(file: str, name: str = "1") -> Record:
    return Record(name, ImageRef(file, 6, 10), "a mug", (PhraseRecord("a mug", ()),))


@pytest.fixture
def tests(tmp_path: Path) -> BenchmarkImages:
    """Two benchmarks: one of COCO pictures, one of pictures without an identifier."""
    photograph(0, tmp_path / "coco/train2014/COCO_train2014_000000000007.jpg")
    photograph(1, tmp_path / "reasonseg/test/a.jpg")
    found = BenchmarkImages()
    found.add("refcoco/val", tmp_path, ["coco/train2014/COCO_train2014_000000000007.jpg"])
    found.add("reasonseg/test", tmp_path, ["reasonseg/test/a.jpg", "reasonseg/test/absent.jpg"])
    return found


def test_a_picture_of_two_sets_is_found_by_its_number(tests: BenchmarkImages, tmp_path: Path) -> None:
    files = ["coco/train2017/000000000007.jpg", "coco/train2017/000000000008.jpg"]
    assert dict(tests.find(tmp_path, files)) == {
        files[0]: Match("refcoco/val", "image id"),
        files[1]: None,
    }
    assert tests.find(None, files)[files[0]] == Match("refcoco/val", "image id")


def test_the_same_file_through_a_link_is_found(tests: BenchmarkImages, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train/x.jpg").symlink_to(tmp_path / "reasonseg/test/a.jpg")
    assert tests.find(tmp_path, ["train/x.jpg"]) == {"train/x.jpg": Match("reasonseg/test", "file")}


@pytest.mark.parametrize(
    ("number", "name", "scale", "expected"),
    [
        (1, "own/b.jpg", 1, Match("reasonseg/test", "bytes")),
        (1, "own/b.png", 0.5, Match("reasonseg/test", "pixels")),
        (1, "coco/train2017/000000000009.jpg", 0.7, Match("reasonseg/test", "pixels")),
        (0, "own/b.jpg", 1, Match("refcoco/val", "bytes")),
        (0, "own/b.jpg", 1.5, Match("refcoco/val", "pixels")),
        (2, "own/b.jpg", 1, None),
        (2, "coco/train2017/000000000009.jpg", 1, None),
        # Two identifiers tell that these are two pictures: contents are not compared.
        (0, "coco/train2017/000000000009.jpg", 1, None),
    ],
)
def test_content_is_compared_where_a_name_cannot_tell(
    tests: BenchmarkImages,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    number: int,
    name: str,
    scale: float,
    expected: Match | None,
) -> None:
    photograph(number, tmp_path / name, scale)
    with caplog.at_level(logging.WARNING):
        assert tests.find(tmp_path, [name]) == {name: expected}
        assert tests.find(tmp_path, [name, name]) == {name: expected}
    assert "1 of " in caplog.text
    assert "test pictures are not in their folder, such as " in caplog.text


def test_nothing_is_hashed_where_names_tell(tmp_path: Path) -> None:
    photograph(0, tmp_path / "coco/val2017/000000000007.jpg")
    photograph(1, tmp_path / "coco/train2017/000000000008.jpg")
    cache = HashCache()
    tests = BenchmarkImages(cache)
    tests.add("coco/val2017", tmp_path, ["coco/val2017/000000000007.jpg"])
    tests.find(tmp_path, ["coco/train2017/000000000008.jpg"])
    assert cache.hashed == 0


def test_pixels_are_compared_only_on_request(tmp_path: Path) -> None:
    photograph(0, tmp_path / "test/a.jpg")
    photograph(0, tmp_path / "own/same.jpg")
    photograph(0, tmp_path / "own/small.jpg", 0.5)
    cache = HashCache()
    tests = BenchmarkImages(cache, by_pixels=False)
    tests.add("t", tmp_path, ["test/a.jpg"])
    found = tests.find(tmp_path, ["own/same.jpg", "own/small.jpg"])
    assert found == {"own/same.jpg": Match("t", "bytes"), "own/small.jpg": None}
    assert cache.hashed == 2


def test_records_about_test_pictures_are_left_out_and_counted(
    tests: BenchmarkImages, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photograph(1, tmp_path / "own/b.png", 0.5)
    photograph(2, tmp_path / "own/c.jpg")
    by_id = "coco/train2017/000000000007.jpg"
    files = [by_id, by_id, "own/b.png", "own/c.jpg", "reasonseg/test/a.jpg", "own/not_there.jpg"]
    records = [record(file, str(number)) for number, file in enumerate(files)]
    tally = Tally()
    with caplog.at_level(logging.WARNING):
        kept = list(exclude(records, tests, tmp_path, tally))
    assert [one.image.file for one in kept] == ["own/c.jpg", "own/not_there.jpg"]
    assert tally.left_out == {
        "instructions about pictures of refcoco/val (same image id)": 2,
        "instructions about pictures of reasonseg/test (same pixels)": 1,
        "instructions about pictures of reasonseg/test (same file)": 1,
    }
    assert tally.examples["instructions about pictures of reasonseg/test (same pixels)"] == "own/b.png"
    assert "1 of 5 pictures are test pictures of refcoco/val: not trained on" in caplog.text
    assert "2 of 5 pictures are test pictures of reasonseg/test: not trained on" in caplog.text


def test_a_damaged_picture_is_left_to_the_loader(tests: BenchmarkImages, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/bad.jpg").write_bytes(b"not an image")
    assert tests.find(tmp_path, ["own/bad.jpg"]) == {"own/bad.jpg": None}
