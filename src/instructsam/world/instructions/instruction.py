"""Instructions with provable answers: a program, words for it, and the phrase and instances of each group."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from instructsam.errors import ConfigError
from instructsam.world.instructions.choosing import MAX_TARGETS, choose
from instructsam.world.language.phrases import phrase_of
from instructsam.world.language.slots import chatty_slots, slots_for
from instructsam.world.language.templates import COMMON_TEMPLATES, OWN_TEMPLATES, Template
from instructsam.world.language.typos import with_typo
from instructsam.world.language.wording import Speaker, chance, pick
from instructsam.world.programs.execute import answer
from instructsam.world.programs.facts import Facts
from instructsam.world.programs.program import All, Filter, Program, to_dict

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.scenes.scene import RenderedScene

FAMILY_SHARES: dict[str, float] = {
    "category": 0.13,
    "attribute": 0.15,
    "spatial": 0.14,
    "ordinal": 0.12,
    "comparison": 0.09,
    "logic": 0.11,
    "knowledge": 0.08,
    "counting": 0.06,
    "multi": 0.07,
    "chatty": 0.05,
}
NO_FACTORS: Mapping[str, float] = MappingProxyType({})
NO_TARGET_SHARE = 0.15
# Fewer scenes carry these with targets, so that of those made more would be empty.
_NO_TARGET_SHARES = {"counting": 0.11, "ordinal": 0.13, "knowledge": 0.135}
ONE_TARGET_SHARE = 0.45
EVERYTHING_SHARE = 0.16  # of the category instructions that want several targets
MIXED_SHARE = 0.12  # of the instructions with several phrases: one of them has no target
FAMILY_TRIES = 8
HELD_OUT_SPLIT = "unseen_wording"
TYPO_SPLIT, TYPO_SHARE = "train", 0.02  # only training text has slips: a benchmark's answer must be certain
_REQUESTS = ("category", "attribute", "attribute", "spatial", "ordinal", "comparison")  # of "chatty"
_GROUP_FAMILIES = ("category", "category", "attribute", "attribute", "ordinal", "spatial", "knowledge")
_GROUPS = ("first", "second", "third")
_OWN_WORDS_ONLY = ("everything", "multi", "chatty")  # the common wordings do not say what makes them so
_TWICE = re.compile(r"\b(\w+) \1\b")  # "something to live in in the picture"
_PICTURE = re.compile(r"\b(?:picture|image|photo|scene)\b")


@dataclass(frozen=True)
class PhraseAnswer:
    """One phrase and its instances, indices (ascending) into the scene's objects; empty for no target."""

    text: str
    instances: tuple[int, ...]


@dataclass(frozen=True)
class Instruction:
    """What a person asks and the proven answer.

    Attributes:
        text: the instruction in words.
        phrases: one answer per group, in the order in which they are asked for.
        family: key of `FAMILY_SHARES`.
        template: the wording's text with its slots.
        program: {"phrases": [program, ...]}, one `program.to_dict` per phrase.
        original: of a hard negative, the instruction with a target that it was made from.
    """

    text: str
    phrases: tuple[PhraseAnswer, ...]
    family: str
    template: str
    program: dict[str, Any]
    original: str = ""


def sample_instructions(
    rendered: RenderedScene,
    rng: np.random.Generator,
    count: int,
    split: str = "train",
    families: tuple[str, ...] = (),
    focus: frozenset[int] = frozenset(),
) -> list[Instruction]:
    """`count` different instructions about a rendered scene; see `instructions_about`."""
    return instructions_about(Facts.of(rendered), rng, count, split, families, focus)


def instructions_about(
    facts: Facts,
    rng: np.random.Generator,
    count: int,
    split: str = "train",
    families: tuple[str, ...] = (),
    focus: frozenset[int] = frozenset(),
    factors: Mapping[str, float] = NO_FACTORS,
) -> list[Instruction]:
    """`count` instructions with different texts, deterministic in `rng`.

    Split "unseen_wording" uses only the held-out wordings, every other split only the rest. A family that the
    scene cannot carry is replaced by another, at last by an absent kind. `families` names the only ones to ask,
    in their usual proportion; empty: all of them. `factors` change that proportion, see `shares_of`. Every
    instruction with targets has one of `focus`, if any.
    """
    asked = shares_of(families, factors)
    names, shares = list(asked), list(asked.values())
    found: dict[str, Instruction] = {}
    barren: set[tuple[str, str]] = set()  # what this scene has proved to offer nothing for
    draws = 0
    while len(found) < count:
        family = names[int(rng.choice(len(names), p=shares))]
        wanted = _wanted(rng, family)
        draws += 1
        if draws > 6 * count:
            family, wanted = "category", "none"
        elif (family, wanted) in barren:
            continue
        for _ in range(FAMILY_TRIES):
            made = _make(rng, facts, family, wanted, split, focus)
            if made is not None and made.text not in found:
                found[made.text] = made
                break
        else:
            barren.add((family, wanted))
    return list(found.values())


def shares_of(families: tuple[str, ...], factors: Mapping[str, float]) -> dict[str, float]:
    """How often each family is tried, in the order of `FAMILY_SHARES`; sums to 1.

    Args:
        families: the only ones to ask; empty for all.
        factors: on the share of a family, 1 where it is not named; one of a family that is not asked has no effect.

    Raises:
        ConfigError: a factor names no family, is negative or not finite, or nothing is left to ask.
    """
    for name, factor in factors.items():
        if name not in FAMILY_SHARES or not 0 <= factor < math.inf:
            raise ConfigError(
                f"family_shares takes a factor of at least 0 for some of {', '.join(FAMILY_SHARES)}, "
                f"got {name}: {factor}"
            )
    asked = [name for name in FAMILY_SHARES if name in families or not families]
    shares = {name: FAMILY_SHARES[name] * factors.get(name, 1.0) for name in asked}
    total = sum(shares.values())
    if asked and not total > 0:
        raise ConfigError(
            f"family_shares leaves no family to ask, got 0 for all of {', '.join(asked)}; give one above 0"
        )
    return {name: share / total for name, share in shares.items()}


def _wanted(rng: np.random.Generator, family: str) -> str:
    if chance(rng, _NO_TARGET_SHARES.get(family, NO_TARGET_SHARE)):
        return "none"
    return "one" if chance(rng, ONE_TARGET_SHARE) else "many"


Group = tuple[Program, tuple[int, ...]]


def _make(
    rng: np.random.Generator,
    facts: Facts,
    family: str,
    wanted: str,
    split: str,
    focus: frozenset[int],
) -> Instruction | None:
    speaker = Speaker(rng, facts)
    table, groups, words = family, list[Group](), dict[str, str]()
    if family == "multi":
        groups = _groups(rng, facts, wanted)
        words = _multi_slots(speaker, [program for program, _ in groups]) if groups else {}
    elif family == "category" and wanted == "many" and chance(rng, EVERYTHING_SHARE):
        found = answer(All(), facts)
        groups = [(All(), found)] if found and len(found) <= MAX_TARGETS else []
        table = "everything"
    elif chosen := choose(rng, facts, pick(rng, _REQUESTS) if family == "chatty" else family, wanted, focus):
        groups = [chosen]
        words = chatty_slots(speaker, *chosen) if family == "chatty" else slots_for(speaker, chosen[0])
    targets = {index for _, found in groups for index in found}
    if not groups or (targets and focus and focus.isdisjoint(targets)):
        return None
    said = _say(rng, table, words, split)
    if said is None:
        return None
    template, text = said
    if split == TYPO_SPLIT and chance(rng, TYPO_SHARE):
        text = with_typo(rng, text)
    return Instruction(
        text=text,
        phrases=tuple(PhraseAnswer(phrase_of(program), found) for program, found in groups),
        family=family,
        template=template,
        program={"phrases": [to_dict(program) for program, _ in groups]},
    )


def _groups(rng: np.random.Generator, facts: Facts, wanted: str) -> list[Group]:
    """Two or three phrases with disjoint answers; "none" leaves all without target, now and then one is anyway."""
    number = 3 if chance(rng, 0.25) else 2
    empty = set(range(number)) if wanted == "none" else set[int]()
    if not empty and chance(rng, MIXED_SHARE):
        empty = {int(rng.integers(number))}
    groups: list[Group] = []
    taken: set[int] = set()
    for position in range(number):
        for _ in range(4):
            family = pick(rng, _GROUP_FAMILIES)
            size = "none" if position in empty else "one" if chance(rng, 0.5) else "many"
            chosen = choose(rng, facts, family, size)
            if chosen and not taken & set(chosen[1]) and _new(chosen[0], groups):
                groups.append(chosen)
                taken |= set(chosen[1])
                break
    return groups if len(groups) >= 2 else []


def _new(program: Program, groups: list[Group]) -> bool:
    return all(phrase_of(program) != phrase_of(other) for other, _ in groups)


def _multi_slots(speaker: Speaker, programs: list[Program]) -> dict[str, str]:
    slots: dict[str, str] = {}
    for name, program in zip(_GROUPS, programs, strict=False):
        phrase = speaker.noun_phrase(program, speaker.many(program) if isinstance(program, Filter) else None)
        words = phrase.slots()
        slots |= {name: words["the"], f"{name}_bare": words["bare"], f"{name}_is": words["is"]}
        if "a" in words:
            slots[f"{name}_a"] = words["a"]
    return slots


def _say(rng: np.random.Generator, table: str, words: dict[str, str], split: str) -> tuple[str, str] | None:
    """A wording whose slots all exist, and its text; None when it would say "picture", or a word, twice."""
    held_out = split == HELD_OUT_SPLIT
    own = [one for one in OWN_TEMPLATES[table] if one.held_out == held_out and _suits(one, words)]
    common = [one for one in COMMON_TEMPLATES if one.held_out == held_out and _suits(one, words)]
    if table in _OWN_WORDS_ONLY:
        common = []
    if not own and not common:
        return None
    template = pick(rng, own if own and (not common or chance(rng, 0.5)) else common)
    text = template.text.format_map(words)
    clumsy = len(_PICTURE.findall(text)) > 1 or _TWICE.search(text)
    return None if clumsy else (template.text, _styled(rng, template.style, text))


def _suits(template: Template, words: dict[str, str]) -> bool:
    """Whether every slot has words, and, for several phrases, every phrase a slot."""
    groups = sum(name in words for name in _GROUPS)
    return template.slots <= words.keys() and (
        not groups or len({name.split("_")[0] for name in template.slots}) == groups
    )


def _styled(rng: np.random.Generator, style: str, text: str) -> str:
    """Upper case, full stop, "please", a forgotten question mark: the ways that people type."""
    if style == "c" and chance(rng, 0.08) and not text.startswith("I") and "please" not in text:
        text = f"please {text}" if chance(rng, 0.7) else f"{text}, please"
    if chance(rng, 0.45):
        text = text[0].upper() + text[1:]
        if style == "c" and chance(rng, 0.4):
            text += "."
    elif text.endswith("?") and chance(rng, 0.25):
        text = text[:-1]
    return text
