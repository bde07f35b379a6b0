"""Instructions: computed answers, shares of families, and words as people write them."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from instructsam.errors import ConfigError
from instructsam.world.instructions.families import FAMILY_SHARES, shares_of
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.instructions.instruction import Instruction
from instructsam.world.instructions.wording import HELD_OUT_SPLIT
from instructsam.world.language import lexicon
from instructsam.world.language.knowledge import FUNCTIONS
from instructsam.world.language.templates import COMMON_TEMPLATES, OWN_TEMPLATES
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.scene import COLORS, FAMILIES, FAMILY_OF, KINDS, PATTERNS, SIZES
from instructsam.world.splits.stream import WorldSample, WorldSettings, world_sample
from tests.world.random_facts import random_facts

SETTINGS = WorldSettings(short_sides=(64,), instructions_per_scene=8, split="val")
PLAIN = re.compile(
    rf"(?:({'|'.join(SIZES)}) )?(?:({'|'.join(PATTERNS)}) )?(?:({'|'.join(COLORS)}) )?"
    rf"(object|{'|'.join((*FAMILIES, *KINDS))})"
)


@pytest.fixture(scope="module")
def samples() -> list[WorldSample]:
    return [world_sample(11, index, SETTINGS) for index in range(90)]


@pytest.fixture(scope="module")
def pairs(samples: list[WorldSample]) -> list[tuple[WorldSample, Instruction]]:
    return [(sample, instruction) for sample in samples for instruction in sample.instructions]


def test_the_stored_program_gives_the_stored_answer(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    for sample, instruction in pairs:
        facts = Facts.of(sample.rendered)
        programs = [from_dict(data) for data in instruction.program["phrases"]]
        assert [program.phrase() for program in programs] == [p.text for p in instruction.phrases]
        assert [program.answer(facts) for program in programs] == [p.instances for p in instruction.phrases]


def test_plain_phrases_are_true_of_their_instances_and_of_nothing_else(
    pairs: list[tuple[WorldSample, Instruction]],
) -> None:
    checked = 0
    for sample, instruction in pairs:
        for phrase in instruction.phrases:
            match = PLAIN.fullmatch(phrase.text)
            if not match:
                continue
            size, pattern, color, noun = match.groups()
            expected = tuple(
                index
                for index, thing in enumerate(sample.rendered.scene.objects)
                if size in (None, thing.size)
                and pattern in (None, thing.pattern)
                and color in (None, thing.color)
                and noun in ("object", thing.kind, FAMILY_OF[thing.kind])
            )
            assert phrase.instances == expected, instruction.text
            checked += 1
    assert checked > 200


def test_leftmost_means_leftmost(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    checked = 0
    for sample, instruction in pairs:
        for phrase in instruction.phrases:
            match = re.fullmatch(rf"leftmost ({'|'.join(KINDS)})", phrase.text)
            if match and phrase.instances:
                boxes, things = sample.rendered.full_boxes_xyxy, sample.rendered.scene.objects
                alike = [i for i, thing in enumerate(things) if thing.kind == match[1]]
                assert phrase.instances == (min(alike, key=lambda i: boxes[i, 0] + boxes[i, 2]),)
                checked += 1
    assert checked > 1


def test_targets_are_visible_and_at_most_eight(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    for sample, instruction in pairs:
        for phrase in instruction.phrases:
            assert len(phrase.instances) <= 8
            assert all(sample.rendered.visible_fraction[index] >= 0.35 for index in phrase.instances)
            assert list(phrase.instances) == sorted(set(phrase.instances))


def test_shares(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    families = Counter(instruction.family for _, instruction in pairs)
    assert families.keys() == FAMILY_SHARES.keys()
    for family, share in FAMILY_SHARES.items():
        assert families[family] / len(pairs) == pytest.approx(share, abs=0.05), family
    without = sum(not any(p.instances for p in instruction.phrases) for _, instruction in pairs)
    assert 0.10 <= without / len(pairs) <= 0.20
    targets = [sum(len(p.instances) for p in instruction.phrases) for _, instruction in pairs]
    assert np.mean([count >= 2 for count in targets]) > 0.25
    assert np.mean([count == 1 for count in targets]) > 0.25


@cache
def drawn(spatial: float = 1.0, counting: float = 1.0) -> list[Instruction]:
    """800 instructions about scenes without pixels."""
    factors = {"spatial": spatial, "comparison": spatial, "counting": counting}
    return [
        made
        for seed in range(80)
        for made in instructions_about(
            random_facts(seed), np.random.default_rng(seed), 10, "val", factors=factors
        )
    ]


def test_factors_change_the_share_of_a_family() -> None:
    plain, other = (Counter(made.family for made in drawn(*factors)) for factors in ((), (2.0, 0.0)))
    assert "counting" not in other
    rest = [name for name in FAMILY_SHARES if name not in ("spatial", "comparison", "counting")]
    for name in ("spatial", "comparison"):
        odds = [families[name] / sum(families[one] for one in rest) for families in (plain, other)]
        assert odds[1] / odds[0] == pytest.approx(2.0, abs=0.5), name


def test_shares_by_hand() -> None:
    assert shares_of((), {}) == pytest.approx(FAMILY_SHARES)
    assert shares_of(("logic", "multi"), {"multi": 11.0}) == pytest.approx({"logic": 0.125, "multi": 0.875})
    assert shares_of(("logic", "multi"), {"logic": 0.0}) == {"logic": 0.0, "multi": 1.0}


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ({"relation": 2.0}, r"some of category, .*, got relation: 2.0"),
        ({"spatial": -1.0}, r"a factor of at least 0 .* got spatial: -1.0"),
        ({"spatial": float("inf")}, "got spatial: inf"),
        (dict.fromkeys(FAMILY_SHARES, 0.0), "must leave at least one family, got 0 for all of category"),
    ],
)
def test_invalid_factors_are_refused(factors: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shares_of((), factors)


def test_about_15_percent_of_every_family_are_without_target() -> None:
    every = Counter(made.family for made in drawn())
    empty = Counter(made.family for made in drawn() if not any(p.instances for p in made.phrases))
    assert every.keys() == FAMILY_SHARES.keys()
    for family in FAMILY_SHARES:
        assert 0.04 <= empty[family] / every[family] <= 0.28, (family, empty[family], every[family])


def test_some_instructions_mix_phrases_with_and_without_targets(
    pairs: list[tuple[WorldSample, Instruction]],
) -> None:
    assert any(len({bool(p.instances) for p in i.phrases}) == 2 for _, i in pairs)


def test_texts_of_a_scene_differ_and_the_count_is_kept(samples: list[WorldSample]) -> None:
    for sample in samples:
        texts = [instruction.text for instruction in sample.instructions]
        assert len(texts) == len(set(texts)) == SETTINGS.instructions_per_scene


def test_texts_are_clean(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    bad = re.compile(
        r"  |[{}]|^\s|\s$|\s[,.?;:]|\ba [aeiou]|\ban [^aeiou]|\b(\w+) \1\b|\bone ones\b|\.\.|\?\.|None"
        r"|\b(?:picture|image|photo|scene)\b.*\b(?:picture|image|photo|scene)\b",
        re.IGNORECASE,
    )
    wrong = [i.text for _, i in pairs if bad.search(i.text)]
    assert not wrong, wrong[:10]
    assert bad.search("find a apple")
    assert bad.search("find the  mug")


def test_phrases_are_canonical(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    synonyms = {noun.one for nouns in lexicon.KIND_NOUNS.values() for noun in nouns} - set(KINDS)
    tails = re.compile("|".join(sorted((one.tails[0] for one in FUNCTIONS.values()), key=len, reverse=True)))
    words = re.compile(rf"\b(?:{'|'.join(sorted(synonyms | {'the (?!left|right|top|bottom)', 'an'}))})\b")
    for _, instruction in pairs:
        for phrase in instruction.phrases:
            assert phrase.text == phrase.text.lower().strip()
            assert len(phrase.text.split()) <= 24
            plain = tails.sub("", phrase.text.replace("sailboat", "").replace("teddy bear", ""))
            assert not words.search(plain), phrase.text


def test_number_agrees_with_the_answer(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    for _, instruction in pairs:
        if instruction.family == "category" and len(instruction.phrases[0].instances) > 1:
            noun = instruction.phrases[0].text
            names = lexicon.KIND_NOUNS.get(noun) or lexicon.FAMILY_NOUNS.get(noun) or ()
            forms = {name.many for name in names} | {
                name.one for name in names if "{each}" in instruction.template
            }
            if forms:
                assert any(form in instruction.text.lower() for form in forms), instruction.text


def test_verbs_agree_with_their_nouns(pairs: list[tuple[WorldSample, Instruction]]) -> None:
    nouns = [n for names in lexicon.KIND_NOUNS.values() for n in names if n.one != n.many] + [
        *lexicon.THING_NOUNS
    ]
    one, many = "|".join(noun.one for noun in nouns), "|".join(noun.many for noun in nouns)
    colors = rf"(?:(?:{'|'.join(COLORS)}) )?"
    bad = re.compile(
        rf"\b(are|are there) (the|a|an) {colors}({one})\b(?! bear)|\bis (the|there any) {colors}({many})\b",
        re.I,
    )
    # In "what I need is the mugs", of the chatty ones, the verb belongs to "what".
    wrong = [i.text for _, i in pairs if i.family != "chatty" and bad.search(i.text)]
    assert not wrong, wrong[:10]
    assert bad.search("where is the red mugs?")
    assert bad.search("where are the mug?")
    good = re.compile(rf"\b(is the {colors}({one})|are the {colors}({many}))\b", re.I)
    assert sum(bool(good.search(i.text)) for _, i in pairs) > 10


def test_templates_are_many_and_some_are_held_out() -> None:
    for family, own in OWN_TEMPLATES.items():
        everywhere = own if family in ("everything", "multi", "chatty") else own + COMMON_TEMPLATES
        assert sum(not one.held_out for one in own) >= 8, family
        assert sum(one.held_out for one in everywhere) / len(everywhere) >= 0.2, family
        texts = [one.text for one in everywhere]
        assert len(texts) == len(set(texts)), family
    styles = {one.style for own in OWN_TEMPLATES.values() for one in own}
    assert styles == {"c", "q", "f"}


def test_held_out_templates_stay_out(samples: list[WorldSample]) -> None:
    held = {one.text for own in OWN_TEMPLATES.values() for one in (*own, *COMMON_TEMPLATES) if one.held_out}
    for sample in samples:
        assert not held & {instruction.template for instruction in sample.instructions}
    facts = Facts.of(samples[0].rendered)
    unseen = instructions_about(facts, np.random.default_rng(0), 12, HELD_OUT_SPLIT)
    assert {instruction.template for instruction in unseen} <= held


def test_the_same_generator_gives_the_same_instructions(samples: list[WorldSample]) -> None:
    facts = Facts.of(samples[3].rendered)
    first, second = (instructions_about(facts, np.random.default_rng(5), 8) for _ in range(2))
    assert first == second
    assert first != instructions_about(facts, np.random.default_rng(6), 8)


def test_a_scene_without_objects_still_gets_its_count() -> None:
    made = instructions_about(Facts(()), np.random.default_rng(0), 5)
    assert len(made) == 5
    assert all(not phrase.instances for instruction in made for phrase in instruction.phrases)


@pytest.mark.parametrize(
    ("word", "many"),
    [
        ("bus", "buses"),
        ("glass", "glasses"),
        ("teddy bear", "teddy bears"),
        ("toy", "toys"),
        ("cherry", "cherries"),
    ],
)
def test_plurals(word: str, many: str) -> None:
    assert lexicon.plural(word) == many


def test_articles() -> None:
    assert lexicon.indefinite("apple") == "an apple"
    assert lexicon.indefinite("mug") == "a mug"
