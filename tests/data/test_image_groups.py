"""Groups of images: the same result as the comparison of every pair, in any order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.image_groups import ImageGroups
from instructsam.data.image_hashes import SmallCopies, SmallCopy, small_copy, small_copy_of

PHOTOGRAPHS = sorted((Path(__file__).parents[2] / "docs" / "images").glob("*.jpg"))


def groups(images: dict[str, SmallCopy | None]) -> dict[str, str]:
    found = ImageGroups()
    for file, copy in images.items():
        found.add(file, copy)
    found.find()
    return {file: found.name(file) for file in images}


def drawn(count: int) -> dict[str, SmallCopy]:
    """Smooth pictures; every third one is a slightly changed copy of an earlier one."""
    rng = np.random.default_rng(0)
    pixels: list[np.ndarray] = []
    for number in range(count):
        if number % 3 == 2:
            base = pixels[int(rng.integers(number))].astype(np.int64)
            pixels.append(np.clip(base + rng.integers(-3, 4, base.shape), 0, 255).astype(np.uint8))
        else:
            small = Image.fromarray(rng.integers(90, 160, (4, 4), dtype=np.uint8))
            pixels.append(np.asarray(small.resize((64, 48), Image.Resampling.BICUBIC)))
    return {f"{number:03}.png": small_copy_of(Image.fromarray(array)) for number, array in enumerate(pixels)}


def test_groups_are_those_of_all_pairs() -> None:
    images = drawn(150)
    found = groups(dict(images))
    files = list(images)
    for number, file in enumerate(files):
        match = SmallCopies([images[other] for other in files[:number]]).find(images[file])
        if match is not None:
            assert found[file] == found[files[match]]
    assert 80 <= len(set(found.values())) <= 100
    assert found == {**found, **groups(dict(reversed(list(images.items()))))}


def test_photographs_and_their_copies(tmp_path: Path) -> None:
    images: dict[str, SmallCopy | None] = {path.name: small_copy(path) for path in PHOTOGRAPHS}
    for path in PHOTOGRAPHS[:3]:
        image = Image.open(path).convert("RGB")
        image.resize((image.width // 2, image.height // 2)).save(tmp_path / path.name, quality=60)
        images[f"z-{path.name}"] = small_copy(tmp_path / path.name)
    found = groups(images)
    assert {file: name for file, name in found.items() if file != name} == {
        f"z-{path.name}": path.name for path in PHOTOGRAPHS[:3]
    }


def test_names_and_equal_copies_make_groups() -> None:
    plain = small_copy_of(Image.new("RGB", (40, 30), "gray"))
    found = groups(
        {
            "train2014/COCO_train2014_000000000123.jpg": None,
            "train2017/000000000123.jpg": None,
            "b.png": plain,
            "a.png": plain,
            "c.png": small_copy_of(Image.new("RGB", (40, 30), "silver")),
        }
    )
    assert found["train2017/000000000123.jpg"] == "train2014/COCO_train2014_000000000123.jpg"
    assert (found["a.png"], found["b.png"], found["c.png"]) == ("a.png", "a.png", "c.png")


def test_no_images() -> None:
    assert groups({}) == {}
    with pytest.raises(KeyError):
        ImageGroups().name("a.png")
