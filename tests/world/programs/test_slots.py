"""Words for slots: distractors that are never a target, numbers and uncountable nouns."""

from __future__ import annotations

import re

import numpy as np
import pytest

from instructsam.world.instructions.chatty import chatty_slots
from instructsam.world.instructions.choosing import choose
from instructsam.world.language import lexicon
from instructsam.world.language.speaker import Speaker
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.counted import Counted
from instructsam.world.programs.filter import Filter
from instructsam.world.programs.ordinal import Ordinal
from instructsam.world.programs.superlative import Superlative
from instructsam.world.scenes.scene import COLORS, KINDS
from tests.world.random_facts import random_facts


def named(words: str) -> tuple[str, str | None]:
    """The kind and the colour that "the red mugs" speaks of."""
    forms = {form: kind for kind in KINDS for n in lexicon.KIND_NOUNS[kind] for form in (n.one, n.many)}
    noun = max((form for form in forms if re.search(rf"\b{form}$", words)), key=len)
    colors = [color for color in COLORS if color in words.split()[1].split("-")]
    return forms[noun], colors[0] if colors else None


def test_a_distractor_is_never_a_target() -> None:
    checked = 0
    for seed in range(60):
        facts, rng = random_facts(seed), np.random.default_rng(seed)
        chosen = choose(rng, facts, ("attribute", "ordinal", "spatial")[seed % 3], "one")
        slots = chatty_slots(Speaker(rng, facts), *chosen) if chosen else {}
        if chosen and slots:
            kind, color = named(slots["distractor"])
            for fact in facts.objects:
                if fact.kind == kind and color in (None, fact.color):
                    assert fact.index not in chosen[1]
            checked += 1
    assert checked > 25


@pytest.mark.parametrize("family", ["furniture", "clothes", "cutlery", "fruit"])
def test_numbers_stand_before_countable_nouns(family: str) -> None:
    bad = {noun.many for noun in lexicon.FAMILY_NOUNS[family] if not noun.countable}
    source = Filter(All(), "family", family)
    for seed in range(12):
        speaker = Speaker(np.random.default_rng(seed), random_facts(seed))
        for program in (Counted(source, 3), Superlative(source, "largest", 2), Ordinal(source, "left", 2)):
            slots = program.slots(speaker)
            for words in slots.values():
                assert not any(
                    re.search(rf"\b(two|three|3|both|all)( (?!of\b)\w+)* {form}$", words) for form in bad
                )


def test_two_are_both_and_three_are_all_three() -> None:
    apples = Filter(All(), "kind", "apple")
    for seed in range(12):
        speaker = Speaker(np.random.default_rng(seed), random_facts(seed))
        both, three = (Counted(apples, count).slots(speaker) for count in (2, 3))
        assert re.fullmatch(r"both (of the |the )?apples", both["all_count"])
        assert re.fullmatch(r"all (three|3) (of the )?apples", three["all_count"])
        assert re.fullmatch(r"the (three|3) apples", three["the_count"])
        assert three["count"] in ("three", "3")
        assert three["is"] == "are"


def test_functions_have_several_wordings() -> None:
    found: dict[str, set[str]] = {}
    for seed in range(30):
        speaker = Speaker(np.random.default_rng(seed), random_facts(1))
        for name, words in Filter(All(), "function", "drink from").slots(speaker).items():
            found.setdefault(name, set()).add(words)
    assert {"thing_to", "that", "ask", "need", "heads", "the"} <= found.keys()
    assert all(len(found[name]) >= 2 for name in ("thing_to", "that", "ask", "need"))
    colored = Filter(Filter(All(), "color", "red"), "function", "drink from")
    slots = colored.slots(Speaker(np.random.default_rng(0), random_facts(1)))
    assert "ask" not in slots, "the question would lose the colour"
    assert "red" in slots["thing_to"]
