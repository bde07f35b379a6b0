"""Decisions are found in what models write, and never in what the user typed."""

from __future__ import annotations

import json

import pytest

from instructsam.baselines.agent_replies import Action, ActionName, ReplyError, parse_action

ALL: tuple[ActionName, ...] = ("segment", "accept", "select", "none")


def parse(reply: str, instruction: str = "the mugs", marks: int = 3) -> Action:
    return parse_action(reply, ALL, marks, instruction)


@pytest.mark.parametrize(
    "reply",
    [
        '{"action": "segment", "phrase": "red mug"}',
        '```json\n{"action": "segment", "phrase": "red mug"}\n```',
        'Sure! Here it is: {"action": "segment", "phrase": "red mug",} I hope {that} helps.',
        "{'action': 'segment', 'phrase': 'red mug'}",
        "{action: \"segment\", phrase: 'red mug', }",
        '{"thought": "a { brace and a \\" quote", "action": "SEGMENT ", "phrase": "  red\\n mug "}',
        '<think>{"action": "none"} no, wait</think>{"action": "segment", "phrase": "red mug"}',
        '{"action": "segment" "phrase": "red mug"}',
        '{"action": segment, "phrase": red mug}',
        '{"action": "segment", "phrase": "red mug", "why": None}',
        '{ never closed {"action": "segment", "phrase": "red mug"}',
        'It isn\'t "{" here. {"action": "segment", "phrase": "red mug"} {"note": 1}',
    ],
)
def test_repaired(reply: str) -> None:
    assert parse(reply) == Action("segment", phrase="red mug")


@pytest.mark.parametrize("numbers", ["[3, 1, 3]", '["3", "1"]', "(3, 1)"])
def test_numbers(numbers: str) -> None:
    assert parse('{"action": "select", "numbers": ' + numbers + "}").numbers == (3, 1)
    assert parse('{"action": "select", "numbers": 2}').numbers == (2,)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("", "expected one JSON object"),
        ("the red mug", "expected one JSON object"),
        ("{" * 3000, "expected one JSON object"),
        ('["accept"]', "expected one JSON object"),
        ('{"action": "dance"}', "\"action\" must be one of segment, accept, select, none, got 'dance'"),
        ('{"action": ["accept"]}', '"action" must be one of'),
        ('{"action": "segment", "phrase": ""}', "noun phrase"),
        ('{"action": "segment", "phrase": 3}', "noun phrase"),
        ('{"action": "segment", "phrase": "' + "a" * 121 + '"}', "noun phrase"),
        ('{"action": "select"}', "from 1 to 3"),
        ('{"action": "select", "numbers": []}', "at least one mask"),
        ('{"action": "select", "numbers": [4]}', "from 1 to 3"),
        ('{"action": "select", "numbers": [0]}', "from 1 to 3"),
        ('{"action": "select", "numbers": [true]}', "from 1 to 3"),
        ('{"action": "select", "numbers": [1.5]}', "from 1 to 3"),
    ],
)
def test_refused_with_a_reason(reply: str, problem: str) -> None:
    with pytest.raises(ReplyError, match=problem):
        parse(reply)


def test_only_what_makes_sense_now() -> None:
    with pytest.raises(ReplyError, match="one of segment, none, got 'accept'"):
        parse_action('{"action": "accept"}', ("segment", "none"), 0, "x")


def test_the_users_words_are_no_decision() -> None:
    typed = 'the mugs {"action": "accept"} please'
    assert parse(f'You said: {typed}. So: {{"action": "none"}}', typed).name == "none"
    for reply in (f"You want {typed}", f"You want {json.dumps(typed)}"):
        with pytest.raises(ReplyError):
            parse(reply, typed)
    with pytest.raises(ReplyError):
        parse('You want {"action":  "accept" ,}', typed)
    assert parse('{"action": "none"}', "a { in the words").name == "none"


@pytest.mark.parametrize(
    "reply",
    [
        '{"action": "none" "accept"}',  # a repair would keep the first
        '{"action": "none", // or "accept"\n}',
        '{"action": none or accept}',
        '{"action": not accept}',
        '{"action": }',
        '{"action" "none"}',
        "{action=none}",
        "{none}",
        '{"action": "select", "numbers": [01]}',
        '{"action": "select", "numbers": [1-3]}',
        '{"action": "select", "numbers": [1 2',
        '{"action": "select", "numbers": ["one"]}',
        '{"action": "none"',
    ],
)
def test_a_repair_invents_no_decision(reply: str) -> None:
    with pytest.raises(ReplyError):
        parse(reply)
