"""The canonical short noun phrase of a program: what the VLM writes and the detector is asked for.

Deterministic, lower case, singular, no article, synonyms resolved: "red mug", "second fruit from the left",
"mug left of blue car", "toy not red", "red mug or blue ball", "object same color as ball", "thing to drink from".
"""

from __future__ import annotations

from instructsam.world.language.lexicon import NUMBERS, ORDINALS
from instructsam.world.programs.knowledge import FUNCTIONS
from instructsam.world.programs.program import (
    All,
    Between,
    Both,
    Compare,
    Counted,
    Difference,
    Either,
    Extreme,
    Filter,
    Nearest,
    OnShelf,
    Ordinal,
    Position,
    Program,
    Relate,
    Same,
    Superlative,
)

ADJECTIVES = ("size", "pattern", "color")
"""Attributes that stand before a noun, in English order."""
_MOST = {"left": "leftmost", "right": "rightmost", "top": "topmost", "bottom": "bottommost"}


def filters_of(program: Program) -> tuple[dict[str, str], Program]:
    """Attributes of the innermost-to-outermost filters, and what they filter."""
    found: dict[str, str] = {}
    while isinstance(program, Filter):
        found[program.attribute] = program.value
        program = program.source
    return found, program


def merged(program: Both) -> Program | None:
    """Two filters of one source as one chain of filters ("both small and red"), else None."""
    first, second = program.first, program.second
    if isinstance(first, Filter) and isinstance(second, Filter) and first.source == second.source:
        return Filter(first, second.attribute, second.value)
    return None


def negates_attribute(program: Difference) -> bool:
    """Whether the difference says "not red" or "not small", rather than "except the mugs"."""
    removed = program.removed
    return (
        isinstance(removed, Filter) and removed.source == program.source and removed.attribute in ADJECTIVES
    )


def phrase_of(program: Program) -> str:
    """Canonical noun phrase of the program."""
    match program:
        case All():
            return "object"
        case Filter():
            words, base = filters_of(program)
            noun = words.get("kind") or words.get("family") or phrase_of(base)
            if "function" in words:
                tail = FUNCTIONS[words["function"]].tails[0]
                noun = f"{'thing' if noun == 'object' else noun} {tail}"
            return " ".join([*(words[name] for name in ADJECTIVES if name in words), noun])
        case Relate(source) | Position(source) | Between(source) | OnShelf(source) | Nearest(source):
            return f"{phrase_of(source)} {_modifier(program)}"
        case Same(source) | Compare(source):
            return f"{phrase_of(source)} {_modifier(program)}"
        case Counted(source, count):
            return f"{NUMBERS[count - 1]} {phrase_of(source)}"
        case Extreme(source, side, count):
            return f"{_count(count)}{_MOST[side]} {phrase_of(source)}"
        case Ordinal(source, side, nth):
            return f"{ORDINALS[nth - 1]} {phrase_of(source)} from the {side}"
        case Superlative(source, extreme, count):
            return f"{_count(count)}{extreme} {phrase_of(source)}"
        case Either(first, second):
            return f"{phrase_of(first)} or {phrase_of(second)}"
        case Both(first, second):
            chain = merged(program)
            return phrase_of(chain) if chain else f"{phrase_of(first)} and {_modifier(second)}"
        case Difference(source, removed):
            if negates_attribute(program) and isinstance(removed, Filter):
                return f"{phrase_of(source)} not {removed.value}"
            return f"{phrase_of(source)} except {phrase_of(removed)}"


def _count(count: int) -> str:
    return "" if count == 1 else NUMBERS[count - 1] + " "


def _modifier(program: Program) -> str:
    match program:
        case Relate(_, relation, anchor):
            return f"{relation.replace('_', ' ')} {phrase_of(anchor)}"
        case Position(_, side):
            return f"in {side} half"
        case Between(_, first, second):
            return f"between {phrase_of(first)} and {phrase_of(second)}"
        case OnShelf(_, shelf):
            return f"on {shelf} shelf"
        case Nearest(_, anchor):
            return f"nearest {phrase_of(anchor)}"
        case Same(_, same, anchor):
            return f"same {same} as {phrase_of(anchor)}"
        case Compare(_, comparison, anchor):
            return f"{comparison} than {phrase_of(anchor)}"
        case _:
            return phrase_of(program)
