"""Sayings and paraphrases: their number, their grammar in both numbers, and messages about broken files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from instructsam.errors import InputError
from instructsam.world.language.data_files import read_data
from instructsam.world.language.sayings_table import KEYS, ONE, SEVERAL, Saying, load_sayings, parse_sayings
from instructsam.world.language.styles import load_styles
from instructsam.world.scenes.scene import COLORS, KINDS

IMPERFECT = {"second_language"}  # its mistakes are what it is for
WITHOUT_PARAPHRASES = {"any", "kind", "attribute", "function", "all", "two", "three", "chatty"}
SINGLE = ("nearest", "ordinal", "extreme", "superlative")
"""Keys whose {head} is one thing in every line."""
AGREEMENT = {
    False: {
        "is": "is",
        "was": "was",
        "has": "has",
        "does": "does",
        "s": "s",
        "es": "es",
        "them": "it",
        "one": "one",
    },
    True: {
        "is": "are",
        "was": "were",
        "has": "have",
        "does": "do",
        "s": "",
        "es": "",
        "them": "them",
        "one": "ones",
    },
}
OTHERS = {
    "heads": "mugs", "single": "mug", "kind": "mug", "kinds": "mugs", "mod": "red", "mod2": "small",
    "anchor": "the car", "other": "the bus", "nth": "third", "pair": "two mugs", "count": "three",
    "all_count": "all three mugs", "the_count": "the three mugs", "one_of": "the mugs", "a_one": "a mug",
    "a_other": "a bus", "kept": "the mugs", "removed": "the red ones", "ask": "what can I drink from",
    "need": "I'm thirsty", "thing_to": "something to drink from", "that": "that you can drink from",
    "first": "the mugs", "second": "the bus", "third": "the cars", "distractor": "the green bottles",
}  # fmt: skip
WRONG = re.compile(
    r"""[{}]|\s\s|(?<![\w'"])(?-i:e?s)(?![\w'])      # a slot, two spaces, or an ending alone
    |\b(?:a|an|every|each|this|that|another)\s(?:red\s)?(?:mugs|ones)\b
    |\b(?:these|those|many|several|both|few)\s(?:red\s)?mug\b
    |\b(?:the|a|an)\s(?:the|a|an|any)\b
    |(?<!above\s)(?<!below\s)(?<!\bin\s)(?<!\bon\s)(?<!than\s)(?<!as\s)\bit\s(?:are|were|have)\b
    |\bwhat(?:ever)?\sare\s(?:red|not|above|below|there)\b|\bare\sthat[?]|\b(?:where|which)\sare\sthat\b""",
    re.VERBOSE | re.IGNORECASE,
)
WRITTEN_OUT = re.compile(
    r"\{(?:the|head|bare)\} (?:is|are|has|have|was|were|looks|sits|lies|stands|comes|needs)\b"
    r"|\b(?:a|an|every|each|another|single) (?:(?!the\b|that\b)[\w']+ ){0,2}\{head\}"
    r"|\b(?:answer|the suspect|matters|one|trial|that search|thing i need) \{(?:is|was|has)\}",
    re.IGNORECASE,
)
"""A verb or an article that fits only one number."""


def slots_of(key: str, many: bool) -> dict[str, str]:
    """Words for every slot that a line may be filled with in this number."""
    plural = many and not key.startswith("ordinal") and key != "nearest"
    head = "mugs" if plural else "mug"
    found = {**OTHERS, **AGREEMENT[plural], "this": "these" if plural else "this"}
    found |= {"head": head, "the": f"the red {head}", "bare": f"red {head}"}
    found["a"] = "any red mugs" if plural else "a red mug"
    return found | ({"each": "red mug", "several": "red mugs"} if plural else {})


def rendered(key: str, line: Saying) -> Iterator[str]:
    """The line in each number that it may be used in."""
    for many in (False, True):
        slots = slots_of(key, many)
        counts = key.startswith(("extreme", "superlative")) and not line.is_whole
        fits = line.number != (SEVERAL if not many else ONE) and (
            not counts or many == ("count" in line.slots)
        )
        if fits and line.slots <= slots.keys():
            yield line.text.format_map(slots)


def lines_of(folder: str) -> list[tuple[str, str, Saying]]:
    return [
        (name, key, line)
        for name, table in load_sayings(folder).items()
        for key, lines in table.items()
        for line in lines
    ]


def test_there_are_enough_sayings_of_every_style_and_key() -> None:
    sayings = load_sayings("sayings")
    assert sum(len(lines) for table in sayings.values() for lines in table.values()) >= 3_000
    for style, table in sayings.items():
        assert sum(map(len, table.values())) >= 300, style
        assert [key for key in KEYS if not table.get(key)] == [], style


def test_there_are_enough_paraphrases_of_every_key() -> None:
    found = Counter(key for _, key, _ in lines_of("paraphrases"))
    assert {key: found[key] for key in KEYS if key not in WITHOUT_PARAPHRASES and found[key] < 25} == {}


def test_every_key_has_a_line_for_one_and_for_several() -> None:
    for style, table in load_sayings("sayings").items():
        for key, lines in table.items():
            assert any(line.number != SEVERAL for line in lines), (style, key)
            assert any(line.number != ONE for line in lines), (style, key)


def test_styles_of_evaluation_share_no_line_with_training() -> None:
    styles = load_styles()
    split_of = {
        (line.text.lower().strip(" .?!"), styles[name].split) for name, _, line in lines_of("sayings")
    }
    found = Counter(text for text, _ in split_of)
    assert [text for text, number in found.items() if number > 1] == []


@pytest.mark.parametrize("folder", ["sayings", "paraphrases"])
def test_every_line_is_english_in_each_number(folder: str) -> None:
    wrong = [
        (line.place, text)
        for name, key, line in lines_of(folder)
        for text in rendered(key, line)
        if name not in IMPERFECT and WRONG.search(text)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "line",
    [
        "every {head} here",
        "mark a {bare}",
        "the {the} please",
        "these {single} here",
        "which {head} {is} that, and where {is} that?",
        "take what {is} {mod}",
        "{head} that look {s} {mod}",
    ],
)
def test_the_check_of_the_grammar_finds_mistakes(line: str) -> None:
    (saying,) = parse_sayings(f'attribute:\n- "{line} {{the}}"', "x.yaml")["attribute"]
    assert any(WRONG.search(text) for text in rendered("attribute", saying))


def test_every_line_can_be_used_in_some_number() -> None:
    unused = [
        line.place
        for _, key, line in (*lines_of("sayings"), *lines_of("paraphrases"))
        if not list(rendered(key, line))
    ]
    assert unused == []


def test_words_that_are_written_out_fit_both_numbers() -> None:
    """An unmarked line with "the {head} is" or "a small {head}" would be wrong for several things."""
    wrong = [
        (line.place, line.text)
        for name, key, line in (*lines_of("sayings"), *lines_of("paraphrases"))
        if name not in IMPERFECT and not line.number and not key.startswith(SINGLE)
        if WRITTEN_OUT.search(line.text.replace("have in", ""))
    ]
    assert wrong == []


def test_lines_name_no_colour_and_no_kind_of_thing() -> None:
    names = {*KINDS, *(f"{kind}s" for kind in KINDS), *COLORS, "glasses"} - {"saw", "saws"}
    wrong = [
        (line.place, found)
        for _, _, line in (*lines_of("sayings"), *lines_of("paraphrases"))
        if (found := names & set(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", "", line.text.lower()))))
    ]
    assert wrong == []


def test_paraphrases_can_stand_after_an_article() -> None:
    for _, key, line in lines_of("paraphrases"):
        first = line.text[0]
        assert first == "{" or first.islower(), line.place
        assert not line.text.endswith((".", "?", "!")), line.place
        assert key in ("either", "except") or not re.match(r"(the|a|an|any|all|some) ", line.text), line.place
        assert not line.slots & {"the", "bare", "a", "each", "several"}, line.place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('any:\n- "{the"', "line 2, any: braces must enclose slots"),
        ('any:\n- "mark {teh}"', r"line 2, any: slots must be some of .*\['teh'\]"),
        ('kind:\n- "mark it"', "line 2, kind: 'mark it' leaves out {kind} or {kinds}"),
        ('nearest:\n- "the closest {head}"', "line 2, nearest: .* leaves out {anchor}"),
        ('colour:\n- "{the}"', "line 2, colour: a key must be one of any, kind, "),
        (
            'any:\n- "{the}"\n- "{The}"'.replace("{The}", "{the}"),
            "line 3, any: .* is there twice, also in .*line 2, any",
        ),
        ("any:\n- {the}", "line 2, any: expected a line of text, got a key with a value; put double quotes"),
        ("any:\n- mark this: {the}", "line 2, any: expected a line of text, got a key with a value"),
        ("any:\n-", "line 2, any: expected a line of text, got nothing"),
        ('any: "{the}"', "line 1, any: expected a list of lines, got '{the}'; begin each line with '- '"),
        ('any:\n- "{the}"\nany:\n- "{bare}"', "line 3, any: expected each key once, got 'any' twice"),
        ('? [any]\n: - "{the}"', "line 1: expected a key, got a list"),
        ('- "{the}"', "line 1: expected keys with lists of lines, got a list"),
        (
            'any:\n- "mark {the}',
            "line 2, any: expected YAML, got: .*; put every line of text into double quotes",
        ),
        ('any:\n- "{the}"\nkind:\n- "say \\y"', "line 4, kind: expected YAML"),
    ],
)
def test_a_broken_file_is_explained_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"^sayings/x\.yaml, {message}"):
        parse_sayings(text, "sayings/x.yaml")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"^words/mugs\.yaml: expected a file in UTF-8, got: No such file"):
        read_data("words/mugs.yaml")


def test_an_empty_file_has_no_lines() -> None:
    assert parse_sayings("# nothing yet\n", "sayings/x.yaml") == {}
