"""Instructions about kinds that the world does not have: the name of a kind is replaced by another word.

A model that is trained on the world's words alone takes every other word for one of them. Words made of random
syllables teach it that a word can be unknown, without revealing any word of a test; real names of other things, that a
word which it has read often can still mean nothing in the picture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from instructsam.world.instructions.instruction import Instruction, PhraseAnswer
from instructsam.world.language.lexicon import FAMILY_NOUNS, KIND_NOUNS, Noun, indefinite, plural, plural_name
from instructsam.world.language.words import absent_nouns, kinds, mentioned_nouns

if TYPE_CHECKING:
    import numpy as np

# Consonants only, so that every word takes "a", not "an".
_ONSETS = (
    *"bdfgklmnprstvzhjw",
    "bl",
    "dr",
    "fl",
    "gr",
    "kl",
    "pl",
    "pr",
    "sk",
    "sl",
    "sn",
    "sp",
    "st",
    "tr",
    "tw",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ee", "oa", "oo", "ou", "ie")
_ENDS = ("", "n", "r", "l", "m", "t", "k", "p", "nt", "nd", "rk", "lt", "mp", "st")
SUITABLE_FAMILIES = (
    "category",
    "attribute",
    "spatial",
    "ordinal",
    "comparison",
)  # "all but the X" would mean everything
_HAS_OTHER_PARTS = re.compile(
    r'"op": "(?:difference|either|both)"'
)  # with one part unknown, the other may be meant
KNOWN = {
    word
    for nouns in (*KIND_NOUNS.values(), *FAMILY_NOUNS.values())
    for noun in nouns
    for word in (noun.one, noun.many)
}


def invented_word(rng: np.random.Generator) -> str:
    """A word of one to three syllables that names nothing in the world."""
    while True:
        syllables = int(rng.choice((1, 2, 2, 3)))
        parts = [
            _ONSETS[int(rng.integers(len(_ONSETS)))] + _VOWELS[int(rng.integers(len(_VOWELS)))]
            for _ in range(syllables)
        ]
        word = "".join(parts) + _ENDS[int(rng.integers(len(_ENDS)))]
        if len(word) > 3 and word not in KNOWN and plural(word) not in KNOWN:
            return word


def with_invented_word(instruction: Instruction, rng: np.random.Generator) -> Instruction | None:
    """The instruction with its only kind renamed, so that it has no target; None where that is impossible.

    It keeps no program: no operation can name the invented kind.

    Args:
        instruction: of one of `SUITABLE_FAMILIES` and one phrase; its program must name exactly one kind.
        rng: source of the word.
    """
    kind = _only_kind(instruction)
    if kind is None:
        return None
    word = invented_word(rng)
    return _about(instruction, kind, Noun(word, plural(word)))


def with_real_word(instruction: Instruction, rng: np.random.Generator) -> Instruction | None:
    """Like `with_invented_word`, by a real name: half of the time one of `absent_nouns`, else of `mentioned_nouns`.

    None also for a kind whose plural is its singular ("fish"), and where the text has one of the lexicon's other names
    of the kind: a part of it would be left, "the Williams flute".
    """
    kind = _only_kind(instruction)
    if kind is None or any(noun.one == noun.many for noun in KIND_NOUNS[kind]):
        return None
    if says(instruction.text, (noun for noun in kinds()[kind].nouns if noun not in KIND_NOUNS[kind])):
        return None
    nouns = (absent_nouns(), mentioned_nouns())[int(rng.integers(2))]
    return _about(instruction, kind, nouns[int(rng.integers(len(nouns)))])


def _only_kind(instruction: Instruction) -> str | None:
    """The one kind that an instruction names, None where another part of it could still be meant."""
    named = kinds_of(instruction.program)
    suits = instruction.family in SUITABLE_FAMILIES and not _HAS_OTHER_PARTS.search(
        json.dumps(instruction.program)
    )
    return named[0] if suits and len(instruction.phrases) == 1 and len(named) == 1 else None


def _about(instruction: Instruction, kind: str, noun: Noun) -> Instruction | None:
    text = renamed(instruction.text, kind, noun)
    phrase = renamed_phrase(instruction.phrases[0].text, kind, noun)
    if (
        text == instruction.text
        or not says(text, [noun])
        or not says(phrase, [noun])
        or names_kind(text, kind)
    ):
        return None
    return replace(instruction, text=text, phrases=(PhraseAnswer(phrase, ()),), program={})


def renamed(text: str, kind: str, new: Noun) -> str:
    """The text with every name of the kind replaced by another noun, in the same number and with its article."""
    for noun in sorted(KIND_NOUNS[kind], key=_length, reverse=True):
        text = re.sub(rf"\ban? {re.escape(noun.one)}\b", indefinite(new.one), text)
        text = re.sub(rf"\b{re.escape(noun.one)}\b", new.one, text)
        text = re.sub(rf"\b{re.escape(noun.many)}\b", new.many, text)
    return text


def renamed_phrase(phrase: str, kind: str, new: Noun) -> str:
    """The canonical phrase with the kind replaced by another noun, in the same number."""
    for old, word in ((kind, new.one), (plural_name(kind), new.many)):
        phrase = re.sub(rf"\b{re.escape(old)}\b", word, phrase)
    return phrase


def _length(noun: Noun) -> int:
    return len(noun.many)


def names_kind(text: str, kind: str) -> bool:
    """Whether the text contains a name of the kind."""
    return says(text, KIND_NOUNS[kind])


def says(text: str, nouns: Iterable[Noun]) -> bool:
    """Whether the text contains one of the nouns, in either number and any case."""
    forms = (form for noun in nouns for form in (noun.one, noun.many))
    return any(re.search(rf"\b{re.escape(form)}\b", text, re.IGNORECASE) for form in forms)


def kinds_of(program: Any) -> list[str]:
    """Every kind that a stored program names, with repetitions."""
    if isinstance(program, dict):
        own = [str(program["value"])] if program.get("attribute") == "kind" else []
        return own + [kind for part in program.values() for kind in kinds_of(part)]
    return [kind for part in program for kind in kinds_of(part)] if isinstance(program, list) else []
