"""Values from callers and files are accepted or refused with the project's own error."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from instructsam.errors import InputError
from instructsam.structures.checks import (
    check_choice,
    check_count,
    check_flag,
    check_fraction,
    check_path,
    check_text,
    describe,
    is_number,
    parse_json,
    shorten,
)


def test_good_values_pass() -> None:
    assert check_text("杯 é", "x") == "杯 é"
    assert check_fraction(np.float32(0.5), "x") == 0.5
    assert check_fraction(1, "x") == 1.0
    assert check_count(np.int64(3), "x") == 3
    assert check_count(sys.maxsize, "x") == sys.maxsize


@pytest.mark.parametrize("scalar", [np.asarray, torch.tensor])
def test_arrays_without_axes_are_numbers(scalar: Callable[[Any], Any]) -> None:
    assert check_fraction(scalar(0.5), "x") == 0.5
    assert type(check_count(scalar(3), "x")) is int
    for value in (math.nan, True, 1j, [0.5], 2):
        with pytest.raises(InputError, match="must be a number"):
            check_fraction(scalar(value), "x")
        if value != 2:
            with pytest.raises(InputError, match="must be a whole number"):
                check_count(scalar(value), "x")


@pytest.mark.parametrize(
    "value",
    [
        50, -0.1, math.nan, math.inf, "0.5", None, True, 10**400, [0.5], 1j, np.asarray("0.5"),
        torch.empty((), device="meta"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_fraction_is_a_finite_number_from_0_to_1(value: Any) -> None:
    with pytest.raises(InputError, match="score_threshold must be a number from 0 to 1, got"):
        check_fraction(value, "score_threshold")


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_a_count_is_a_whole_number(value: Any) -> None:
    with pytest.raises(InputError, match="batch_size must be a whole number"):
        check_count(value, "batch_size")


@pytest.mark.parametrize("value", [None, math.nan, b"mugs", 3, "half \ud83d"])
def test_text_is_text(value: Any) -> None:
    with pytest.raises(InputError, match=r"instructions\[1\]"):
        check_text(value, "instructions[1]")


def test_json_is_read_with_and_without_a_mark() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "f") == {"a": 1}
    assert parse_json('\ufeff{"a": 1.5}', "f") == {"a": 1.5}


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "[" * 2000 + "]" * 2000, "9" * 5000, "-" + "1" * 40, "{", b"\xff", ""]
)
def test_json_that_is_none_is_refused(text: str | bytes) -> None:
    with pytest.raises(InputError):
        parse_json(text, "f")


def test_a_number_too_long_to_print_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="thousands of digits"):
        check_count(10**5000, "batch_size")


def test_flags_choices_and_paths(tmp_path: Path) -> None:
    assert check_flag(np.bool_(True), "x") is True
    assert check_choice("a", "x", ("a", "b")) == "a"
    assert check_path(str(tmp_path), "x") == check_path(tmp_path, "x") == tmp_path
    for value in (None, 0, "no", b"a", [], math.nan):
        with pytest.raises(InputError, match="x must be True or False"):
            check_flag(value, "x")
        with pytest.raises(InputError, match="x must be one of a, b"):
            check_choice(value, "x", ("a", "b"))
    for wrong in (None, 0, b"a", [], "a\0", "\ud83d", "n" * 256, "ok/" + "é" * 128):
        with pytest.raises(InputError, match="x "):
            check_path(wrong, "x")


def test_several_lines_become_one() -> None:
    assert describe(np.zeros((2, 2))) == "ndarray array([[0., 0.], [0., 0.]])"


def test_what_json_says_is_said_with_the_file() -> None:
    for text, message in (
        ("[1,\n x", r"^f: this is not JSON \(Expecting value, line 2, column 2\)"),
        ("[1, x\n", r"^f: this is not JSON \(Expecting value, column 5\)"),
        ("9" * 5000, "^f: an integer of 5000 digits"),
        (b"a\xff", r"^f is not UTF-8 text \(byte 1 is 0xff\)"),
    ):
        with pytest.raises(InputError, match=message):
            parse_json(text, "f")


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e400", "-1e999"])
def test_numbers_that_no_float_holds_are_refused_on_request(number: str) -> None:
    parse_json(number, "f")
    with pytest.raises(InputError, match=f"f: {number} is not a JSON number"):
        parse_json(number, "f", finite=True)
    assert parse_json("[1e30, 2]", "f", finite=True) == [1e30, 2]


def test_a_number_is_finite_and_no_bool() -> None:
    values = [0, -2.5, 10**300, 10**400, math.nan, math.inf, True, None, "1"]
    assert [is_number(value) for value in values] == [True] * 3 + [False] * 6


def test_a_description_costs_little_whatever_it_describes() -> None:
    bomb: list[Any] = []
    for _ in range(200):  # shows 2**200 lists, written out
        bomb = [bomb, bomb]
    deep: dict[str, Any] = {}
    for _ in range(50_000):
        deep = {"a": deep}
    values = [bomb, deep, {n: n for n in range(10**5)}, b"x" * 10**7, "x" * 10**7, 10**5000]
    assert [len(describe(value)) <= 80 for value in values] == [True] * 6
    assert describe({"b": 1, "a": [1.5, None]}) == "dict {'b': 1, 'a': [1.5, None]}"
    assert shorten(list(range(40))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...]"
    assert shorten("ab" * 99) == "'" + "ab" * 28 + "..."
