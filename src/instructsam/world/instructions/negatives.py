"""Hard negatives: an instruction that is one word away from a true one, and for which there is nothing.

A word of the text that stands for one value of the program (a colour, a kind, a side, a number) is replaced by
the word for another value, in the program and in the text alike; kept are those whose edited program has a clear
answer, which is empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from string import Formatter
from typing import TYPE_CHECKING, Any

from instructsam.errors import ConfigError
from instructsam.world.instructions.families import FAMILY_SHARES
from instructsam.world.instructions.generate import instructions_about
from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.language import lexicon, synonyms
from instructsam.world.language.chance import chance, pick
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.scene import COLORS, PATTERNS, SIZES

if TYPE_CHECKING:
    import numpy as np

    from instructsam.world.scenes.facts import Facts

# In "multi" the other phrases keep their targets; in "chatty" the same word may belong to the distractor.
FAMILIES_ASKED: tuple[str, ...] = tuple(name for name in FAMILY_SHARES if name not in ("multi", "chatty"))
MAX_DRAWS = 400
TEMPTING_SHARE = 0.8

Words = tuple[str, ...]


def _nouns(many: bool) -> dict[str | int, Words]:
    """The canonical noun of each kind in one number; without those that are the same in both ("fish")."""
    nouns = {kind: names[0] for kind, names in lexicon.KIND_NOUNS.items()}
    return {k: (one.many if many else one.one,) for k, one in nouns.items() if one.one != one.many}


_SIDE_WORDS: dict[str, Words] = {
    "left": ("left", "leftmost"),
    "right": ("right", "rightmost"),
    "top": ("top", "topmost"),
    "bottom": ("bottom", "bottommost"),
}
_RELATION_WORDS: dict[str, Words] = {
    "left_of": ("left",),
    "right_of": ("right",),
    "above": ("above", "higher"),
    "below": ("below", "lower"),
}
# Field -> groups of values, each with its words; the word at a place is replaced by the one at the same place.
_TABLES: dict[str, tuple[dict[str | int, Words], ...]] = {
    "color": ({color: (color,) for color in COLORS},),
    "size": ({size: synonyms.SIZE_WORDS[size][:2] for size in SIZES},),
    "pattern": ({pattern: (pattern,) for pattern in PATTERNS},),
    "kind": (_nouns(many=False), _nouns(many=True)),
    "side": ({name: _SIDE_WORDS[name] for name in _SIDE_WORDS},),
    "shelf": ({name: (name,) for name in lexicon.SHELF_WORDS},),
    "relation": ({name: _RELATION_WORDS[name] for name in _RELATION_WORDS},),
    "comparison": ({name: (name,) for name in ("larger", "smaller")},),
    "nth": (
        {nth: (word,) for nth, word in enumerate(lexicon.ORDINALS, 1)},
        {nth: (word,) for nth, word in enumerate(lexicon.ORDINAL_NUMBERS, 1)},
    ),
    "count": ({count: (word,) for count, word in enumerate(lexicon.NUMBERS, 1) if count >= 2},),
}
# A word in one of these cannot be exchanged alone: "coffee teapot" and "higher down" are nothing.
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
_OPPOSITES = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


def hard_negatives(facts: Facts, rng: np.random.Generator, count: int, split: str) -> list[Instruction]:
    """`count` different instructions without target, each one word away from one with targets.

    Raises:
        ConfigError: the scene has nothing to ask for.
    """
    if not facts.seen.objects:
        raise ConfigError("a hard negative needs a scene with at least one visible object, got none")
    found: dict[str, Instruction] = {}
    for _ in range(MAX_DRAWS):
        for original in instructions_about(facts, rng, 2, split, FAMILIES_ASKED):
            changed = list(one_word_away(original, facts)) if original.phrases[0].instances else []
            if changed and len(found) < count:
                made = _hardest(rng, changed, facts)
                found[made.text] = made
        if len(found) == count:
            return list(found.values())
    raise ConfigError(f"found {len(found)} hard negatives for a scene, expected {count}: ask for fewer")


def _hardest(
    rng: np.random.Generator, changed: list[tuple[str, str | int, Instruction]], facts: Facts
) -> Instruction:
    """One of the edits: any field alike, and mostly a value that some other thing in the scene has."""
    field = pick(rng, sorted({name for name, _, _ in changed}))
    options = [(value, made) for name, value, made in changed if name == field]
    seen = {getattr(fact, field, None) for fact in facts.seen.objects}
    tempting = [(value, made) for value, made in options if value in seen]
    return pick(rng, tempting if tempting and chance(rng, TEMPTING_SHARE) else options)[1]


def one_word_away(original: Instruction, facts: Facts) -> Iterator[tuple[str, str | int, Instruction]]:
    """Every edit of one word that leaves nothing to segment, with the field that it changed and its new value."""
    data = original.program["phrases"][0]
    fixed = "".join(text for text, _, _, _ in Formatter().parse(original.template))
    places = list(_places(data))
    for path, field, value in places:
        if sum((field, value) == (other, same) for _, other, same in places) > 1:
            continue
        for table in _TABLES[field]:
            for new in table:
                if new == value or not _comparable(field, value, new):
                    continue
                text = _swapped(original.text, fixed, table.get(value, ()), table[new])
                program = from_dict(_edited(data, path, new))
                if text is not None and program.answer(facts) == ():
                    yield field, new, _negative(original, text, _edited(data, path, new))


def _comparable(field: str, value: str | int, new: str | int) -> bool:
    """Whether a sentence stays a sentence: a side becomes its opposite, "second" not "seventh"."""
    if field == "side":
        return _OPPOSITES[str(value)] == new
    if field == "relation":
        return {value, new} in ({"left_of", "right_of"}, {"above", "below"})
    return not (isinstance(value, int) and isinstance(new, int)) or abs(value - new) <= 2


def _negative(original: Instruction, text: str, data: Mapping[str, Any]) -> Instruction:
    phrase = PhraseAnswer(from_dict(data).phrase(), ())
    program = {"phrases": [dict(data)]}
    return replace(original, text=text, phrases=(phrase,), program=program, original=original.text)


def _places(data: Mapping[str, Any], path: Words = ()) -> Iterator[tuple[Words, str, str | int]]:
    """Where the program holds a value that has words: path, field (of a filter its attribute), value."""
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _places(value, (*path, name))
        else:
            field = data["attribute"] if name == "value" else name
            if field in _TABLES:
                yield (*path, name), field, value


def _edited(data: Mapping[str, Any], path: Words, value: str | int) -> dict[str, Any]:
    name, rest = path[0], path[1:]
    return {**data, name: _edited(data[name], rest, value) if rest else value}


def _swapped(text: str, fixed: str, old: Words, new: Words) -> str | None:
    """The text with its one occurrence of an old word replaced; None where that is not just one word's change.

    `fixed` is the wording without its slots: a word in it is not the program's.
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
