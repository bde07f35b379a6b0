"""FiftyOne samples, with the real library where it is installed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from instructsam.errors import InputError, MissingExtraError
from instructsam.exports import export
from instructsam.structures.predictions import Prediction
from tests.exports.made import HOSTILE_LABELS, prediction

SIZE = (20, 30)
pytestmark = pytest.mark.filterwarnings("ignore")  # of the real library


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real library, or a stand-in that keeps what it receives."""
    try:
        import fiftyone  # noqa: F401
    except ImportError:
        names = ("Sample", "Detections", "Detection")
        monkeypatch.setitem(sys.modules, "fiftyone", SimpleNamespace(**dict.fromkeys(names, SimpleNamespace)))


def _masks(count: int) -> np.ndarray:
    masks = np.zeros((count, *SIZE), dtype=np.bool_)
    for number in range(count):
        masks[number, 3 + number, 5:28] = True
        masks[number, 3 + number : 12, 7] = True
    return masks


def _placed(detection: Any) -> np.ndarray:
    """The mask of a detection in the image."""
    x, y, width, height = detection.bounding_box
    found = np.zeros(SIZE, dtype=np.bool_)
    top, left = round(y * SIZE[0]), round(x * SIZE[1])
    found[top : top + round(height * SIZE[0]), left : left + round(width * SIZE[1])] = detection.mask
    return found


@pytest.mark.usefixtures("library")
def test_masks_are_cropped_to_their_box() -> None:
    given = prediction(
        _masks(8), HOSTILE_LABELS, "find \u202e these", phrase_ids=list(range(8)), image_path="a/b.png"
    )
    (sample,) = export([given], "fiftyone")
    assert sample.filepath == str(Path("a/b.png").absolute())
    assert sample.instructions == ["find \u202e these"]
    detections = sample.predictions.detections
    assert [detection.label for detection in detections] == list(HOSTILE_LABELS)
    assert [detection.confidence for detection in detections] == given.instances.scores.tolist()
    assert {detection.instruction for detection in detections} == {"find \u202e these"}
    for detection, mask in zip(detections, given.instances.masks, strict=True):
        assert np.array_equal(_placed(detection), mask)


@pytest.mark.usefixtures("library")
def test_no_target_and_an_instance_without_pixels() -> None:
    empty = Prediction(
        prediction(np.zeros((1, *SIZE), np.bool_)).instances,
        ("mug",),
        "",
        "ok",
        "mugs",
        SIZE,
        image_path="a.png",
    )
    nothing = prediction(np.zeros((0, *SIZE), np.bool_), instruction="cars", image_path="a.png")
    (sample,) = export([empty, nothing], "fiftyone", field="instructsam")
    assert sample.no_target == ["cars"]
    assert [detection.mask for detection in sample.instructsam.detections] == [None]


@pytest.mark.usefixtures("library")
def test_an_image_in_memory_is_refused() -> None:
    with pytest.raises(InputError, match="image files, got an image in memory"):
        export(prediction(), "fiftyone")


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[fiftyone\]'"):
        export(prediction(), "fiftyone")
