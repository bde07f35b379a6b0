"""Wrong values for `Instances` and `Prediction`: the project's own error, which names the field or item."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction

ODD: list[Any] = [None, 5, -1, 1.5, math.nan, True, "x", b"x", {}, object(), 10**400, [math.nan], np.zeros(0)]


def one() -> Instances:
    return Instances(
        np.ones((1, 4, 5), np.bool_),
        np.zeros((1, 4), np.float32),
        np.ones(1, np.float32),
        np.zeros(1, np.int64),
    )


def prediction(**changes: Any) -> Prediction:
    fields = {
        "instances": one(), "phrases": ("mug",), "text": "", "status": "ok", "instruction": "mugs",
        "original_size": (4, 5), "image": Image.new("RGB", (5, 4)),
    }  # fmt: skip
    return Prediction(**{**fields, **changes})


@pytest.mark.parametrize("name", ["masks", "boxes_xyxy", "scores", "phrase_ids"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_fields_of_instances(name: str, value: Any) -> None:
    fields = {field: getattr(one(), field) for field in ("masks", "boxes_xyxy", "scores", "phrase_ids")}
    with pytest.raises(InputError, match=name):
        Instances(**{**fields, name: value})


@pytest.mark.parametrize("value", [*ODD, [], [None], ["mug", "\ud83d"]], ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize(
    "name", ["instances", "phrases", "text", "status", "instruction", "original_size", "image", "notes"]
)
def test_fields_of_predictions(name: str, value: Any) -> None:
    fine = {"text": "x", "instruction": "x", "image": None, "notes": []}
    if name in fine and type(value) is type(fine[name]) and value == fine[name]:
        prediction(**{name: value})
        return
    with pytest.raises(
        InputError,
        match="phrase_ids" if name == "phrases" and isinstance(value, list) and not value else name,
    ):
        prediction(**{name: value})


@pytest.mark.parametrize("name", ["text", "instruction"])
def test_half_a_character_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        prediction(**{name: "mug \ud83d"})
    with pytest.raises(InputError, match=r"phrases\[1\]"):
        prediction(phrases=("mug", "\ud83d"))


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "4", 10**400])
def test_sides_of_an_empty_picture_are_whole_numbers(value: Any) -> None:
    for sides in ((value, 3), (3, value)):
        with pytest.raises(InputError, match=r"height|width"):
            Instances.empty(*sides)
    assert Instances.empty(np.int64(2), 3).size == (2, 3)


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_parts_of_one_picture_are_instances(value: Any) -> None:
    with pytest.raises(InputError):
        Instances.concatenate(value)
    with pytest.raises(InputError, match=r"parts\[1\] must be Instances"):
        Instances.concatenate([one(), value])


@pytest.mark.parametrize(
    "value", [None, 5, math.nan, b"a.png", [], "\0.png", "\ud83d.png", "x" * 300 + ".png"]
)
def test_pictures_are_saved_to_paths(value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="path"):
        prediction().save(value)


@pytest.mark.parametrize("value", [None, 1.5, math.nan, "1", True, [], 10**400])
def test_image_ids_are_whole_numbers(value: Any) -> None:
    with pytest.raises(InputError, match="image_id"):
        prediction().to_coco(value)
    assert prediction().to_coco(np.int64(7))[0]["image_id"] == 7
