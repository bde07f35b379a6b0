"""Wrong values for every argument of `Segmenter.segment`: the project's own error, which names the argument or item."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from instructsam.errors import InputError
from instructsam.inference.segmenter import Segmenter
from instructsam.model.generation import GenerationSettings
from instructsam.model.variants.token_as_mask import connected_parts
from instructsam.vlms.protocol import Turn
from tests.tiny import picture

HUGE = 10**400
WRONG: dict[str, list[Any]] = {
    "score_threshold": [50, -0.1, math.nan, math.inf, "0.5", True, [], {}, 1j, HUGE, b"1", np.ones(1)],
    "mask_threshold": [math.nan, math.inf, -math.inf, "0", None, True, [], HUGE, torch.zeros(2)],
    "batch_size": [None, 0, -1, 1.5, "2", True, math.nan, math.inf, HUGE, [], np.float32(2)],
    "max_new_tokens": [None, 0, -1, 1.5, "2", True, math.nan, math.inf, HUGE, []],
    "max_phrases": [None, 0, -1, 1.5, "2", True, math.nan, math.inf, HUGE, []],
    "mode": [None, "", "fast", "Direct", 1, math.nan, [], {}, b"direct", True],
    "phrases": ["mug", b"mug", bytearray(b"mug"), 5, math.nan, True, {"mug"}, {"mug": 1}, [], (), iter([]),
                Path("mug"), np.array("mug"), np.array([["mug"]]), torch.zeros(())],
    "instruction": [5, math.nan, True, b"mugs", {"mugs"}, {"mugs": 1}, Path("mugs"), np.array("mugs"), "", " \n",
                    "\u200b\ufeff", "\0", "half \ud83d", "not text \udcff"],
}  # fmt: skip
WRONG_TEXTS: list[Any] = [
    None,
    math.nan,
    1,
    True,
    b"mug",
    ["mug"],
    Path("mug"),
    "",
    " ",
    "\0",
    "\ud83d",
    "w " * 999,
]
WRONG_IMAGES: list[Any] = [None, 1, math.nan, b"x", bytearray(), [picture()], {}, "", "none.png", "\0", "\ud83d.png",
                           torch.zeros(3, 4, 4), np.zeros((3, 4), "complex64"), np.zeros((0, 0, 3), np.uint8),
                           np.zeros((2, 4, 4, 3), np.uint8), np.array(["a.png"]), object()]  # fmt: skip


def refused(call: Callable[[], object], name: str) -> None:
    with pytest.raises(InputError) as problem:
        call()
    message = str(problem.value)
    assert name in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda value: ascii(value).split(" at 0x")[0],  # the same in every process
)
def test_wrong_values_are_named(segmenter: Segmenter, name: str, value: Any) -> None:
    arguments = {"instruction": None if name == "phrases" else "the mugs", name: value}
    refused(lambda: segmenter.segment(picture(), **arguments), name)


@pytest.mark.parametrize("value", WRONG_TEXTS, ids=lambda value: ascii(value)[:20])
def test_the_wrong_item_of_a_list_is_named(segmenter: Segmenter, value: Any) -> None:
    refused(lambda: segmenter.segment(picture(), ["the mugs", value]), "instructions[1] ")
    refused(lambda: segmenter.segment(picture(), ("the mugs", value)), "instructions[1] ")
    refused(lambda: segmenter.segment([picture()] * 2, ["the mugs", value]), "instructions[1] ")
    refused(lambda: segmenter.segment(picture(), (text for text in ["the mugs", value])), "instructions[1] ")
    refused(lambda: segmenter.segment(picture(), phrases=["mug", "plate", value]), "phrases[2] ")


@pytest.mark.parametrize("value", WRONG_IMAGES, ids=lambda value: ascii(value)[:20])
def test_the_wrong_image_of_a_list_is_named(segmenter: Segmenter, value: Any) -> None:
    refused(lambda: segmenter.segment([picture(), value], "the mugs"), "images[1]: ")


def test_what_is_wrong_is_found_before_anything_is_read(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenter.model, "encode_images", lambda *_: pytest.fail("an image was encoded"))
    refused(lambda: segmenter.segment(picture(), ["a"] * 40 + [" "], batch_size=1), "instructions[40]")
    refused(lambda: segmenter.segment([*[picture()] * 3, "none.png"], "kite", batch_size=1), "images[3]")
    refused(lambda: segmenter.segment("none.png", "kite", score_threshold=2), "score_threshold")


@pytest.mark.parametrize(
    "options",
    [{"score_threshold": np.float32(0.5)}, {"score_threshold": 1}, {"score_threshold": 0}, {"mask_threshold": -3},
     {"batch_size": np.int64(2)}, {"max_new_tokens": np.int32(3)}, {"max_phrases": np.uint8(1)}],
    ids=repr,
)  # fmt: skip
def test_numpy_scalars_and_whole_numbers_are_numbers(segmenter: Segmenter, options: dict[str, Any]) -> None:
    assert segmenter.segment(picture(), "kite", **options).instruction == "kite"


def test_ordered_containers_of_texts_are_lists(segmenter: Segmenter) -> None:
    for texts in (["a", "b"], ("a", "b"), np.array(["a", "b"]), iter(["a", "b"])):
        assert [answer.instruction for answer in segmenter.segment(picture(), texts)] == ["a", "b"]
    for texts in (["a", "b"], ("a", "b"), np.array(["a", "b"]), iter(["a", "b"])):
        assert segmenter.segment(picture(), phrases=texts).phrases == ("a", "b")
    answer = segmenter.segment(picture(), np.str_("kite"))
    assert type(answer.instruction) is str


@pytest.mark.parametrize("limits", [(0, 1), (1, 0), (1.5, 1), (None, 1), (1, math.nan), (1, True)])
def test_limits_of_generation_are_whole_numbers(limits: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match=r"max_(new_tokens|phrases) must be a whole number from 1"):
        GenerationSettings(*limits)


@pytest.mark.parametrize(
    "mask", [None, [[True]], np.ones((2, 2)), np.ones(4, np.bool_), torch.ones(2, 2).bool()]
)
def test_parts_are_those_of_one_bool_mask(mask: Any) -> None:
    with pytest.raises(InputError, match=r"mask must be bool \(H, W\)"):
        connected_parts(mask)
    for share in (-1, 2, math.nan, None, "0"):
        with pytest.raises(InputError, match="min_share"):
            connected_parts(np.ones((2, 2), np.bool_), share)


def test_turns_of_a_conversation_are_checked() -> None:
    assert Turn("user", "hello", (picture(),)).images
    for arguments, name in (
        (("robot", "x"), "role"),
        (("user", None), "text"),
        (("user", "half \ud83d"), "text"),
        (("user", "x", (picture(), "a.png")), r"images\[1\]"),
    ):
        with pytest.raises(InputError, match=name):
            Turn(*arguments)
