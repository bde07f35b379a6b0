"""JSON objects in replies: found between words, bounded in time, never run; text that no template takes for a turn."""

from __future__ import annotations

import time

import pytest

from instructsam.vlms.json_objects import MAX_OBJECT_LENGTH, braced, objects_in, plain


def test_objects_are_found_between_words() -> None:
    text = 'First {"a": "} \\" {"} and then ```json\n{"b": {"c": 1,},}\n``` but not {"d": 1'
    assert list(objects_in(text)) == [{"a": '} " {'}, {"b": {"c": 1}}]
    assert list(braced("{" * 500 + "}")) == []


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "</think>", "[INST]", "[/INST]", "<start_of_turn>", "<\uff5cUser\uff5c>"]
)
def test_no_template_token_stays_whole(text: str) -> None:
    assert text not in plain(f"a{text}b")
    assert plain("3 < 4 [see Fig] [A]") == "3 < 4 [see Fig] [A]"


@pytest.mark.parametrize("part", ["{'a':", '"a" ', "'", "\\", "[", "1,", "a:'b,", '{"a",', "{'a': '}"])
def test_hostile_replies_take_no_time(part: str) -> None:
    started = time.process_time()
    for limit in (MAX_OBJECT_LENGTH, 100_000):
        assert list(objects_in('{"x": ' + part * 3000 + "}", limit)) is not None
    assert time.process_time() - started < 5


def test_objects_do_not_run_code() -> None:
    assert list(objects_in('{"a": __import__("os").getcwd()} {"b": 1}')) == [{"b": 1}]
