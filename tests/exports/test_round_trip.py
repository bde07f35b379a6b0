"""Every format of the registry gives back the masks and labels that were exported; memory stays flat."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from instructsam.exports import FORMATS, export
from instructsam.structures.predictions import Prediction
from instructsam.structures.safe_text import one_line
from tests.exports.made import HOSTILE_LABELS, prediction
from tests.exports.readers import READERS, read_fiftyone, read_supervision

SIZE = (23, 37)  # neither is a multiple of a byte
WRITTEN = [name for name, entry in FORMATS.items() if entry.writes != "nothing"]


def _masks() -> NDArray[np.bool_]:
    """Hard masks: a pixel in each corner, all pixels, a hole with an island, diagonal contact, lines, noise, none."""
    masks = np.zeros((8, *SIZE), dtype=np.bool_)
    masks[0, [0, 0, -1, -1], [0, -1, 0, -1]] = True
    masks[1] = True
    masks[2, 2:20, 3:30] = True
    masks[2, 5:15, 8:20] = False
    masks[2, 8:11, 10:14] = True
    masks[3, [5, 6, 7], [5, 6, 7]] = True
    masks[4, 11] = True
    masks[4, :, 18] = True
    masks[5] = np.random.default_rng(0).random(SIZE) < 0.5
    masks[6, 9, 9] = True
    return masks  # the last is empty


@pytest.fixture
def given(tmp_path: Path) -> list[Prediction]:
    """Hard masks with hostile labels, an image with nothing in it, and one of two instructions."""
    names = ["a b.png", "empty ü.png", "c.png"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        Image.new("RGB", SIZE[::-1]).save(path)
    hard = prediction(_masks(), HOSTILE_LABELS, "all", phrase_ids=list(range(8)), image_path=str(paths[0]))
    none = prediction(_masks()[:0], ("car",), "cars", image_path=str(paths[1]))
    first = prediction(_masks()[2:4], ("mug",), "mugs", image_path=str(paths[2]))
    second = prediction(_masks()[6:7], ("plate",), "plates", image_path=str(paths[2]))
    return [hard, none, first, second]


EXPECTED = {
    "a b.png": list(zip(HOSTILE_LABELS[:7], _masks()[:7], strict=True)),
    "empty ü.png": [],
    "c.png": [("mug", _masks()[2]), ("mug", _masks()[3]), ("plate", _masks()[6])],
}


def _check(name: str, found: list[tuple[str, Any]], expected: list[tuple[str, Any]]) -> None:
    labels = [label for label, _ in expected]
    if name == "label_studio":
        labels = [one_line(label, None) for label in labels]
    assert [label for label, _ in found] == labels
    for (_, mask), (label, wanted) in zip(found, expected, strict=True):
        assert np.array_equal(mask, wanted), label[:20]


def test_every_written_format_has_a_reader() -> None:
    assert list(READERS) == WRITTEN


@pytest.mark.parametrize("name", WRITTEN)
def test_files_hold_the_same_masks_and_labels(name: str, given: list[Prediction], tmp_path: Path) -> None:
    options, read = READERS[name]
    path, *_ = export(given, name, tmp_path / "out" / (FORMATS[name].default_name), **options)
    found = {
        image.replace("%20", " ").replace("%C3%BC", "ü"): masks for image, masks in read(path, SIZE).items()
    }
    if name == "geojson":
        found["empty ü.png"] = []
    assert sorted(found) == sorted(EXPECTED)
    for image, expected in EXPECTED.items():
        _check(name, found[image], expected)


@pytest.mark.parametrize(("name", "read"), [("supervision", read_supervision), ("fiftyone", read_fiftyone)])
def test_objects_hold_the_same_masks_and_labels(
    name: str, read: Any, given: list[Prediction], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = ("Detections", "Detection", "Sample")
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(**dict.fromkeys(kinds, SimpleNamespace)))
    images = list(read(export(given, name), SIZE))
    assert len(images) == len(EXPECTED)
    with_empty = {**EXPECTED, "a b.png": list(zip(HOSTILE_LABELS, _masks(), strict=True))}
    for found, expected in zip(images, with_empty.values(), strict=True):
        _check(name, found, expected)


def _stream(path: Path, count: int, early: list[int]) -> Iterator[Prediction]:
    """So many images; `early` receives the peak of memory after a tenth of them."""
    masks = np.zeros((2, 80, 120), dtype=np.bool_)
    masks[0, 10:70, 20:100], masks[1, 5:15, 20:60] = True, True
    for number in range(count):
        if number == count // 10:
            early.append(tracemalloc.get_traced_memory()[1])
        file = path.with_name(f"{number}.png")
        file.hardlink_to(path)
        yield prediction(masks, ("mug", "plate"), phrase_ids=[0, 1], image_path=str(file))


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_memory_is_flat(name: str, tmp_path: Path) -> None:
    """Masks of 2,000 images would take 38 MB; their names alone may stay in memory."""
    Image.effect_noise((120, 80), 60).save(tmp_path / "noise.png")
    early: list[int] = []
    tracemalloc.start()
    export(_stream(tmp_path / "noise.png", 2000, early), name, tmp_path / "out" / FORMATS[name].default_name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < early[0] + 8_000_000, f"{early[0] / 1e6:.1f} MB, then {peak / 1e6:.1f} MB"
