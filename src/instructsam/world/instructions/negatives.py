"""Hard negatives: instructions without target that differ in one word from one with targets.

A word of the text that stands for one value of the program (a colour, a kind, a side, a number) is replaced by
the word for another value, in the program and in the text. An edit is kept if the answer of its program is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from string import Formatter
from typing import TYPE_CHECKING, Any

from instructsam.errors import ConfigError
from instructsam.world.instructions.choosing import names_held_out
from instructsam.world.instructions.families import FAMILY_SHARES
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.language import lexicon
from instructsam.world.language.chance import chance, pick
from instructsam.world.language.knowledge import FUNCTIONS
from instructsam.world.language.lexicon import Swaps
from instructsam.world.programs.both import Both
from instructsam.world.programs.difference import Difference
from instructsam.world.programs.filter import ATTRIBUTES, filters_of
from instructsam.world.programs.operations import OPERATIONS, from_dict
from instructsam.world.programs.program import Program
from instructsam.world.programs.same import Same
from instructsam.world.scenes.scene import FAMILIES, FAMILY_OF

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.scenes.facts import Facts

# In "multi" the other phrases keep their targets; in "chatty" the same word may belong to the distractor.
SOURCE_FAMILIES: tuple[str, ...] = tuple(name for name in FAMILY_SHARES if name not in ("multi", "chatty"))
MAX_DRAWS = 400
TEMPTING_SHARE = 0.8
MAX_STEP = 2  # between two numbers

Words = tuple[str, ...]
_FAMILY_KINDS = {kind: FAMILIES[family] for kind, family in FAMILY_OF.items()}


# A word in one of these cannot be replaced alone: "coffee teapot" and "higher down" are not English.
_COMPOUNDS = re.compile(
    "|".join(
        rf"\b{re.escape(form)}\b"
        for noun in (noun for nouns in lexicon.KIND_NOUNS.values() for noun in nouns[1:])
        for form in (noun.one, noun.many)
        if re.search(r"[ -]", form)
    )
    + r"|\b(?:higher up|lower down)\b",
    re.IGNORECASE,
)


def hard_negatives(facts: Facts, rng: np.random.Generator, count: int, split: str) -> list[Instruction]:
    """`count` different instructions without target, each one word away from one with targets.

    Raises:
        ConfigError: the scene has no visible object, or too few hard negatives.
    """
    if not facts.seen.objects:
        raise ConfigError("a hard negative needs a scene with at least one visible object, got none")
    found: dict[str, Instruction] = {}
    for _ in range(MAX_DRAWS):
        for original in instructions_about(facts, rng, 2, split, SOURCE_FAMILIES):
            changed = list(one_word_away(original, facts)) if original.phrases[0].instances else []
            if changed and len(found) < count:
                made = _hardest(rng, changed, facts)
                found[made.text] = made
        if len(found) == count:
            return list(found.values())
    raise ConfigError(f"found {len(found)} hard negatives for a scene, expected {count}: request fewer")


def _hardest(
    rng: np.random.Generator, changed: list[tuple[str, str | int, Instruction]], facts: Facts
) -> Instruction:
    """One of the edits: every field equally often, and mostly a value that another object of the scene has."""
    field = pick(rng, sorted({name for name, _, _ in changed}))
    options = [(value, made) for name, value, made in changed if name == field]
    seen = {getattr(fact, field, None) for fact in facts.seen.objects}
    tempting = [(value, made) for value, made in options if value in seen]
    return pick(rng, tempting if tempting and chance(rng, TEMPTING_SHARE) else options)[1]


def look_alike(rng: np.random.Generator, program: Program, facts: Facts) -> Program | None:
    """A program that differs in one value and has no target for any viewer; None where there is none.

    Every value is edited equally often, mostly to one that tempts: that another object of the scene has, or for a kind
    one of its family.
    """
    data = program.to_dict()
    places = list(_values(data))
    seen = facts.seen.objects
    for place in rng.permutation(len(places)):
        path, field, value, options = places[place]
        tempting = (
            {getattr(fact, field, None) for fact in seen}
            if field != "kind"
            else _FAMILY_KINDS.get(str(value))
        )
        others = [options[index] for index in rng.permutation(len(options)) if options[index] != value]
        if chance(rng, TEMPTING_SHARE):
            others.sort(key=lambda option: option not in (tempting or ()))
        for new in others:
            changed = from_dict(_edited(data, path, new))
            if changed.answer(facts) == () and _is_taught(changed, facts):
                return changed
    return None


def _is_taught(changed: Program, facts: Facts) -> bool:
    """Whether a person could say it, in the same words but one, and training may."""
    if isinstance(changed, Both) and changed.first.head != changed.second.head:
        return False
    if any(isinstance(part, Difference) and part.negated is None for part in _parts(changed)):
        return False  # "the largest of the cups that are not red mugs"
    return _is_consistent(changed) and changed.is_sensible(facts, ()) and not names_held_out(changed)


def _parts(program: Program) -> Iterator[Program]:
    """All programs inside a program."""
    for field in fields(program):
        part = getattr(program, field.name)
        if isinstance(part, Program):
            yield part
            yield from _parts(part)


def _is_consistent(program: Program) -> bool:
    """Whether no part contradicts itself: "a vehicle to fly on a string", "a tool of the same kind as the banana"."""
    found, base = filters_of(program)
    function, family = FUNCTIONS.get(found.get("function", "")), found.get("family")
    if function and family and not set(function.kinds) & set(FAMILIES[family]):
        return False
    if isinstance(base, Same) and base.same == "kind":
        head, anchor = filters_of(base.source)[0], filters_of(base.anchor)[0]
        return not {"kind", "family", "function"} & head.keys() and "kind" not in anchor
    return base.head is base or _is_consistent(base.head)


def _values(data: Mapping[str, Any], path: Words = ()) -> Iterator[tuple[Words, str, Any, tuple[Any, ...]]]:
    """Every value of a stored program: its path, its field (of a filter its attribute), and what else it could be."""
    choices = OPERATIONS[data["op"]].choices
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _values(value, (*path, name))
        elif name == "value":
            attribute = data["attribute"]
            yield (*path, name), attribute, value, tuple(v for v in ATTRIBUTES[attribute] if v != "accessory")
        elif isinstance(value, int) and (value > 1 or name == "nth"):
            highest = len(lexicon.ORDINALS if name == "nth" else lexicon.NUMBERS)
            lowest = 1 if name == "nth" else 2
            near = range(max(lowest, value - MAX_STEP), min(highest, value + MAX_STEP) + 1)
            yield (*path, name), name, value, tuple(near)
        elif name != "attribute" and name in choices:
            yield (*path, name), name, value, choices[name]


def one_word_away(original: Instruction, facts: Facts) -> Iterator[tuple[str, str | int, Instruction]]:
    """Every edit of one word that removes all targets, with the edited field and its new value."""
    data = original.program["phrases"][0]
    fixed = "".join(text for text, _, _, _ in Formatter().parse(original.template))
    places = list(_places(data))
    for path, field, value, tables in places:
        if sum((field, value) == place[1:3] for place in places) > 1:
            continue
        for table in tables:
            for new in table if value in table else ():
                if new == value or _is_far(value, new):
                    continue
                text = _swapped(original.text, fixed, table[value], table[new])
                program = from_dict(_edited(data, path, new))
                if text is not None and program.answer(facts) == ():
                    yield field, new, _negative(original, text, _edited(data, path, new))


def _is_far(value: str | int, new: str | int) -> bool:
    """Whether two numbers are too far apart to be confused."""
    return isinstance(value, int) and isinstance(new, int) and abs(value - new) > MAX_STEP


def _negative(original: Instruction, text: str, data: Mapping[str, Any]) -> Instruction:
    phrase = PhraseAnswer(from_dict(data).phrase(), ())
    program = {"phrases": [dict(data)]}
    return replace(original, text=text, phrases=(phrase,), program=program, original=original.text)


_Place = tuple[Words, str, str | int, tuple[Swaps, ...]]


def _places(data: Mapping[str, Any], path: Words = ()) -> Iterator[_Place]:
    """Every value of a stored program that has words: its path, its field (of a filter its attribute), and swaps."""
    swaps = OPERATIONS[data["op"]].swaps
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _places(value, (*path, name))
        else:
            field = data["attribute"] if name == "value" else name
            if field in swaps:
                yield (*path, name), field, value, swaps[field]


def _edited(data: Mapping[str, Any], path: Words, value: str | int) -> dict[str, Any]:
    name, rest = path[0], path[1:]
    return {**data, name: _edited(data[name], rest, value) if rest else value}


def _swapped(text: str, fixed: str, old: Words, new: Words) -> str | None:
    """The text with its one occurrence of an old word replaced; None where more than one word would change.

    `fixed` is the template without its slots: a word in it does not come from the program.
    """
    hits = [
        (match, there)
        for here, there in zip(old, new, strict=False)
        for match in re.finditer(rf"\b{re.escape(here)}\b", text, re.IGNORECASE)
    ]
    if len(hits) != 1 or any(re.search(rf"\b{re.escape(word)}\b", fixed, re.IGNORECASE) for word in old):
        return None
    match, word = hits[0]
    if any(one.start() <= match.start() < one.end() for one in _COMPOUNDS.finditer(text)):
        return None
    before = text[: match.start()].lower()
    vowels = match[0][0].lower() in "aeiou", word[0] in "aeiou"
    if " " in match[0] + word or (re.search(r"\ban? $", before) and vowels[0] != vowels[1]):
        return None
    word = word.capitalize() if match[0][0].isupper() else word
    return text[: match.start()] + word + text[match.end() :]
