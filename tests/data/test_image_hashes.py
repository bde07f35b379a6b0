"""Small copies of images and their cache: the same picture in another form is found, another one is not."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from instructsam.data.hash_cache import HashCache
from instructsam.data.image_hashes import SmallCopies, SmallCopy, small_copy
from instructsam.data.image_keys import image_key

PHOTOGRAPHS = sorted((Path(__file__).parents[2] / "docs" / "images").glob("*.jpg"))


@pytest.fixture(scope="module")
def known() -> SmallCopies:
    return SmallCopies([small_copy(path) for path in PHOTOGRAPHS])


@pytest.mark.parametrize("number", range(0, len(PHOTOGRAPHS), 2))
@pytest.mark.parametrize(
    ("scale", "suffix", "quality"), [(1, ".jpg", 30), (0.5, ".png", 0), (1.7, ".jpg", 85), (0.3, ".webp", 60)]
)
def test_another_size_or_compression_is_the_same_picture(
    tmp_path: Path, known: SmallCopies, number: int, scale: float, suffix: str, quality: int
) -> None:
    image = Image.open(PHOTOGRAPHS[number]).convert("RGB")
    copy = tmp_path / f"copy{suffix}"
    options = {"quality": quality} if quality else {}
    image.resize((round(image.width * scale), round(image.height * scale))).save(copy, **options)
    assert known.find(small_copy(copy)) == number


def test_other_pictures_are_not_found(known: SmallCopies, tmp_path: Path) -> None:
    for number, path in enumerate(PHOTOGRAPHS):
        others = SmallCopies([small_copy(other) for other in PHOTOGRAPHS if other != path])
        assert others.find(small_copy(path)) is None, number
        mirrored = tmp_path / "mirrored.png"
        ImageOps.mirror(Image.open(path)).save(mirrored)
        assert known.find(small_copy(mirrored)) is None
    assert SmallCopies([]).find(small_copy(PHOTOGRAPHS[0])) is None


def test_plain_pictures_are_never_the_same(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "gray").save(tmp_path / "a.png")
    copy = small_copy(tmp_path / "a.png")
    assert copy.is_plain
    assert SmallCopies([copy]).find(copy) is None


def test_a_picture_stored_on_its_side_is_compared_upright(known: SmallCopies, tmp_path: Path) -> None:
    image = Image.open(PHOTOGRAPHS[0]).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=90)
    assert known.find(small_copy(tmp_path / "turned.jpg")) == 0


def test_a_copy_is_stored_as_bytes() -> None:
    copy = SmallCopy(2**64 - 1, bytes(range(256)), 4 / 3)
    assert SmallCopy.from_bytes(copy.to_bytes()) == copy
    assert not copy.is_plain


def test_the_cache_hashes_a_file_once_until_it_changes(tmp_path: Path) -> None:
    image, database = tmp_path / "é.png", tmp_path / "hashes.sqlite"
    Image.fromarray(np.arange(3000, dtype=np.uint8).reshape(20, 50, 3)).save(image)
    first = HashCache(database)
    digest, copy = first.sha256([image, tmp_path / "absent.png"]), first.small_copies([image])
    assert first.hashed == 2
    again = HashCache(database)
    assert (again.sha256([image]), again.small_copies([image]), again.hashed) == (digest, copy, 0)
    stamp = image.stat().st_mtime_ns + 10**9
    os.utime(image, ns=(stamp, stamp))
    assert again.sha256([image]) == digest
    assert again.hashed == 1


def test_an_unreadable_image_has_no_copy_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 not an image")
    cache = HashCache()
    assert cache.small_copies([tmp_path / "a.jpg"]) == {}
    assert "a.jpg: " in cache.unreadable[tmp_path / "a.jpg"]
    assert len(cache.sha256([tmp_path / "a.jpg"])) == 1


def test_a_cache_that_cannot_be_written_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "damaged.sqlite").write_bytes(b"not a database" * 100)
    cache = HashCache(tmp_path / "damaged.sqlite")
    assert "damaged.sqlite: hashes of images are not kept" in caplog.text
    assert len(cache.sha256([PHOTOGRAPHS[0]])) == 1


def test_processes_of_one_run_share_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process hashed after the first look is not hashed again."""
    first, second = HashCache(tmp_path / "hashes.sqlite"), HashCache(tmp_path / "hashes.sqlite")
    look, looks = second._known, []

    def late(*stamps: object) -> dict[Path, bytes]:
        looks.append(stamps)
        found = {} if len(looks) == 1 else look(*stamps)
        if len(looks) == 1:
            first.sha256([PHOTOGRAPHS[0]])
        return found

    monkeypatch.setattr(second, "_known", late)
    assert len(second.sha256([PHOTOGRAPHS[0]])) == 1
    assert (first.hashed, second.hashed) == (1, 0)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_in_a_read_only_folder_still_hashes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    HashCache(tmp_path / "hashes.sqlite")
    (tmp_path / "hashes.sqlite").chmod(0o444)
    tmp_path.chmod(0o555)
    assert len(HashCache(tmp_path / "hashes.sqlite").sha256([PHOTOGRAPHS[0]])) == 1
    assert "hashes of images are not kept" in caplog.text
    tmp_path.chmod(0o755)


def test_hashes_of_another_version_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "hashes.sqlite"
    HashCache(path).sha256([PHOTOGRAPHS[0]])
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    cache = HashCache(path)
    cache.sha256([PHOTOGRAPHS[0]])
    assert cache.hashed == 1


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("coco/train2014/COCO_train2014_000000000123.jpg", ("coco", "123")),
        ("images/COCO_val2014_000000000123_4.jpg", ("coco", "123")),
        ("coco/train2017/000000000123.jpg", ("coco", "123")),
        ("coco2017/000000000123.jpg", ("coco", "123")),
        ("images/000000000123.jpg", None),
        ("coco/123.jpg", None),
        ("saiapr_tc-12/00/images/25.jpg", ("saiapr", "25")),
        ("images/25.jpg", None),
        ("sa1b/sa_223750.jpg", ("sa1b", "223750")),
        ("train/patch8/objects365_v1_00420917.jpg", ("objects365", "00420917")),
        ("train/n01440764/n01440764_10026.JPEG", ("imagenet", "n01440764_10026")),
        ("JPEGImages/2008_000002.jpg", ("voc", "2008_000002")),
        ("photo.jpg", None),
    ],
)
def test_names_of_published_collections(file: str, expected: tuple[str, str] | None) -> None:
    assert image_key(file) == expected
