"""Templates: enough of them, slots that exist, no text twice, and a held-out quarter that is truly other words."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from instructsam.world.language.templates import COMMON_TEMPLATES, OWN_TEMPLATES, Template
from instructsam.world.language.templates.table import table

ALL = (*COMMON_TEMPLATES, *(one for own in OWN_TEMPLATES.values() for one in own))
NAMED = {"the", "bare", "a", "each", "several", "is", "them"}
SAID = {"head", "heads", "mod", "whatever"}
RANKED = {"the", "bare", "is", "them", "head", "heads", "rank", "rank_one", "one", "nth", "side"}
SIDES_OF_EXCEPT = {"kept", "removed", "removed_full", "others", "exception"}
ALLOWED = {
    "common": NAMED | SAID,
    "category": NAMED,
    "attribute": NAMED | SAID,
    "spatial": NAMED | SAID,
    "ordinal": RANKED,
    "comparison": {"the", "bare", "is"} | SAID,
    "logic": NAMED | SAID | SIDES_OF_EXCEPT | {"either", "eithers"},
    "knowledge": {"thing_to", "that", "ask", "need", "heads"},
    "counting": {"count", "head", "heads", "all_count", "the_count", "is"},
    "chatty": {"the", "bare", "is", "them", "distractor"},
    "everything": set[str](),
    "multi": {
        f"{group}{part}" for group in ("first", "second", "third") for part in ("", "_bare", "_is", "_a")
    },
}
# A template with none of these slots does not name its target.
TELLING = {
    "common": {"the", "bare", "a", "each", "several", "mod", "whatever"},
    "category": {"the", "bare", "a", "each", "several"},
    "attribute": {"the", "each", "several", "mod", "whatever"},
    "spatial": {"the", "each", "several", "mod", "whatever"},
    "ordinal": {"the", "rank", "rank_one", "one", "nth"},
    "comparison": {"the", "mod", "whatever"},
    "logic": {"the", "mod", "whatever", "either", "eithers", "exception", "removed", "others"},
    "knowledge": {"thing_to", "that", "ask"},
    "counting": {"count", "all_count", "the_count"},
    "chatty": {"the", "bare"},
    "multi": {"first", "first_bare", "first_a"},
}
FILLED = {
    "the": "the small red mug",
    "bare": "small red mug",
    "is": "is",
    "them": "it",
    "distractor": "the green bottles",
}
TABLES = {"common": COMMON_TEMPLATES, **OWN_TEMPLATES}


def _words(text: str) -> list[str]:
    return re.findall(r"\{\w+\}|[\w'-]+", text.lower())


def test_there_are_many() -> None:
    assert len(ALL) >= 480
    assert len({tuple(_words(one.text)) for one in ALL}) == len(ALL), "two differ only in case or punctuation"
    assert ALLOWED.keys() == TABLES.keys()
    styles = Counter(one.style for one in ALL)
    assert styles.keys() == {"c", "q", "f"}
    assert min(styles.values()) > 0.2 * len(ALL)


@pytest.mark.parametrize("family", TABLES)
def test_each_family(family: str) -> None:
    own = TABLES[family]
    assert len(own) >= 14
    assert sum(not one.held_out for one in own) >= 8
    share = sum(one.held_out for one in own) / len(own)
    assert 0.22 <= share <= 0.3
    for held_out in (False, True):
        assert len({one.style for one in own if one.held_out == held_out}) >= 2
    for one in own:
        assert one.slots <= ALLOWED[family], one.text
        assert family == "everything" or one.slots & TELLING[family], one.text


def test_every_slot_is_used_in_both_halves() -> None:
    for held_out in (False, True):
        used = {slot for one in ALL if one.held_out == held_out for slot in one.slots}
        missing = set().union(*ALLOWED.values()) - used
        assert missing <= {"first_a", "second_a", "third_a", "third_is"}, missing


def test_held_out_templates_differ_in_words() -> None:
    """Not only in punctuation, politeness, or the order of the words."""

    def core(one: Template) -> tuple[str, ...]:
        return tuple(sorted(word for word in _words(one.text) if word not in {"please", "the", "a", "me"}))

    trained = {core(one) for one in ALL if not one.held_out}
    same = [one.text for one in ALL if one.held_out and core(one) in trained]
    assert not same


def test_texts_are_clean() -> None:
    bad = re.compile(r"  |^\s|\s$|\s[,.?;:]|\b(\w+) \1\b|\.\.|\bnone\b|\ban? \{", re.I)
    wrong = [one.text for one in ALL if bad.search(one.text)]
    assert not wrong
    assert bad.search("find a {bare}")
    twice = [one.text for one in ALL if len(re.findall(r"\b(picture|image|photo|scene)\b", one.text)) > 1]
    assert not twice


def test_a_command_can_take_please_and_a_full_stop() -> None:
    for one in ALL:
        if one.style == "c":
            assert one.text[-1] not in ".?!,", one.text
            assert one.text[0] == "I" or one.text[0].islower(), f"{one.text}: no verb to say please to"
            assert not one.text.startswith(("if ", "since ", "{need}", "hi,")), one.text


def test_slots_for_several_objects_are_always_plural() -> None:
    """No verb agrees with {heads}, nor with the distractor: it may be one thing or several."""
    verb = r"(?:is|are|was|were|has|have|does|do|belongs?)"
    bad = re.compile(rf"\{{(?:heads|distractor)\}},? (?:which )?{verb}\b(?! not what I meant)")
    wrong = {one.text for one in ALL if bad.search(one.text)}
    # Here the verb belongs to "one" and to the knowledge family's own, always countable, nouns.
    assert wrong == {"which one of the {heads} is {rank_one}?", "which {heads} are there {that}?"}
    assert bad.search("{distractor} is what my friend wants")
    assert bad.search("{distractor}, which belongs to him")


def test_chatty_templates_are_long_and_name_both_objects_once() -> None:
    chatty = OWN_TEMPLATES["chatty"]
    assert len(chatty) >= 40
    assert sum(one.held_out for one in chatty) >= 10
    places = Counter[int]()
    for one in chatty:
        text = one.text.format_map(FILLED)
        assert 15 <= len(text.split()) <= 45, text
        assert 1 <= len(re.findall(r"[.?!](?= |$)", text)) <= 3, text
        assert one.style in "qf"
        assert text[-1] == ("?" if one.style == "q" else "."), text
        assert one.text.count("{distractor}") == 1
        assert one.text.count("{the}") + one.text.count("{bare}") == 1
        at = max(one.text.find("{the}"), one.text.find("{bare}"))
        places[int(3 * at / len(one.text))] += 1
    assert all(places[third] >= 6 for third in range(3)), places


def test_the_notation_of_a_table() -> None:
    trained, held = table("\n  c find \\\n    {the}\n".replace("\\\n", " "), "q {is} there {a}?")
    assert trained == Template("c", "find {the}", False, frozenset({"the"}))
    assert held == Template("q", "{is} there {a}?", True, frozenset({"is", "a"}))
