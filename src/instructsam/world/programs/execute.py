"""The answer of a program on a scene, or the word that people would not agree on one.

Each margin below is the distance at which two viewers could still disagree; a program that comes closer than
that to a boundary has no answer. What a program denotes is kept per scene: proposing instructions asks for the
same parts again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from instructsam.world.programs.knowledge import DISPUTED_FAMILY, FUNCTIONS
from instructsam.world.programs.measures import (
    AREA_RATIO,
    HALF_MARGIN,
    ORDER_MARGIN,
    is_as_big,
    is_between,
    is_comparatively,
    looks_shorter,
    nearest_to,
)
from instructsam.world.programs.program import (
    All,
    AmbiguousProgramError,
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
from instructsam.world.scenes.scene import FAMILIES

if TYPE_CHECKING:
    from instructsam.world.programs.facts import Facts, ObjectFact


def execute(program: Program, facts: Facts) -> tuple[int, ...]:
    """Indices (ascending) of the objects that the program denotes.

    Raises:
        AmbiguousProgramError: two objects are within a margin of each other, or an anchor is not unique.
    """
    return tuple(sorted(fact.index for fact in _run(program, facts)))


def answer(program: Program, facts: Facts) -> tuple[int, ...] | None:
    """The answer that every viewer would give, or None when there is no such answer.

    None when the program is ambiguous, or when its answer depends on an object that is mostly hidden.
    """
    if program not in facts.answers:
        facts.answers[program] = _agreed(program, facts)
    return facts.answers[program]


def _agreed(program: Program, facts: Facts) -> tuple[int, ...] | None:
    try:
        indices = execute(program, facts.seen)
        if facts.has_hidden and execute(program, facts) != indices:
            return None
    except AmbiguousProgramError:
        return None
    return indices


def _run(program: Program, facts: Facts) -> list[ObjectFact]:
    match program:
        case All():
            return list(facts.objects)
        case Filter(source, attribute, value):
            return _filtered(_run(source, facts), attribute, value)
        case Relate(source, relation, anchor):
            return _related(_run(source, facts), relation, _run(anchor, facts))
        case Position(source, side):
            return _half(_run(source, facts), side)
        case Extreme(source, side, count):
            return _take(_by_side(_run(source, facts), side), 0, count)
        case Ordinal(source, side, nth):
            ranked = _by_side(_run(source, facts), side)
            return _take(ranked, nth - 1, nth) if nth <= len(ranked) else []
        case Superlative(source, extreme, count):
            return _superlative(_run(source, facts), extreme, count, facts.aspect)
        case Either(first, second):
            chosen = {fact.index: fact for fact in (*_run(first, facts), *_run(second, facts))}
            return list(chosen.values())
        case Both(first, second):
            other = {fact.index for fact in _run(second, facts)}
            return [fact for fact in _run(first, facts) if fact.index in other]
        case Difference(source, removed):
            gone = {fact.index for fact in _run(removed, facts)}
            return [fact for fact in _run(source, facts) if fact.index not in gone]
        case _:
            return _run_compared(program, facts)


def _run_compared(
    program: Between | OnShelf | Nearest | Same | Compare | Counted, facts: Facts
) -> list[ObjectFact]:
    source = _run(program.source, facts)
    match program:
        case OnShelf(_, shelf):
            return _on_shelf(source, shelf, facts.shelves)
        case Counted(_, count):
            return source if len(source) == count else []
        case Between(_, first, second):
            one, other = _anchor(_run(first, facts)), _anchor(_run(second, facts))
            if one is None or other is None:
                return []
            others = [fact for fact in source if fact.index not in (one.index, other.index)]
            return [fact for fact in others if is_between(fact, one, other, facts.aspect)]
        case Nearest(_, anchor):
            one = _anchor(_run(anchor, facts))
            return [] if one is None else nearest_to(one, source, facts.aspect)
        case Same(_, same, anchor):
            one = _anchor(_run(anchor, facts))
            others = [] if one is None else [fact for fact in source if fact.index != one.index]
            if one is not None and same == "size":
                return [fact for fact in others if is_as_big(fact, one)]
            return [fact for fact in others if getattr(fact, same) == getattr(one, same)]
        case Compare(_, comparison, anchor):
            one = _anchor(_run(anchor, facts))
            if one is None:
                return []
            others = [fact for fact in source if fact.index != one.index]
            return [fact for fact in others if is_comparatively(comparison, fact, one, facts.aspect)]


def _anchor(anchors: list[ObjectFact]) -> ObjectFact | None:
    """The one thing that something is compared with; None where there is no such thing."""
    if len(anchors) > 1:
        raise AmbiguousProgramError(f"an anchor must be one object, got {len(anchors)}: narrow it down")
    return anchors[0] if anchors else None


def _filtered(source: list[ObjectFact], attribute: str, value: str) -> list[ObjectFact]:
    if attribute not in ("function", "family"):
        return [fact for fact in source if getattr(fact, attribute) == value]
    if attribute == "function":
        kinds, disputed = FUNCTIONS[value].kinds, FUNCTIONS[value].disputed
    else:
        kinds, disputed = FAMILIES[value], DISPUTED_FAMILY.get(value, ())
    if any(fact.kind in disputed for fact in source):
        raise AmbiguousProgramError(f"people do not agree which of these things counts as {value!r}")
    return [fact for fact in source if fact.kind in kinds]


def _on_shelf(source: list[ObjectFact], shelf: str, count: int) -> list[ObjectFact]:
    """Things on the named board; without boards there is nothing on them, with one there is no top and bottom."""
    if count == 0:
        return []
    if count == 1 or (shelf == "middle" and count != 3):
        raise AmbiguousProgramError(f"which shelf is the {shelf} one of {count}?")
    wanted = {"top": 1, "middle": 2, "bottom": count}[shelf]
    return [fact for fact in source if fact.shelf == wanted]


def _along(fact: ObjectFact, side: str) -> float:
    """How far the object is from `side`: grows away from it."""
    return {"left": fact.x, "right": -fact.x, "top": fact.y, "bottom": -fact.y}[side]


def _related(source: list[ObjectFact], relation: str, anchors: list[ObjectFact]) -> list[ObjectFact]:
    anchor = _anchor(anchors)
    if anchor is None:
        return []
    side = {"left_of": "left", "right_of": "right", "above": "top", "below": "bottom"}[relation]
    chosen = []
    for fact in source:
        gap = _along(anchor, side) - _along(fact, side)
        if fact.index == anchor.index:
            continue
        if abs(gap) < ORDER_MARGIN:
            raise AmbiguousProgramError(
                f"{relation}? Objects {fact.index} and {anchor.index} are almost level"
            )
        if gap > 0:
            chosen.append(fact)
    return chosen


def _half(source: list[ObjectFact], side: str) -> list[ObjectFact]:
    middle = {"left": 0.5, "right": -0.5, "top": 0.5, "bottom": -0.5}[side]
    if any(abs(_along(fact, side) - middle) < HALF_MARGIN for fact in source):
        raise AmbiguousProgramError(f"an object is too near the middle to be in the {side} half or not")
    return [fact for fact in source if _along(fact, side) < middle]


def _by_side(source: list[ObjectFact], side: str) -> list[tuple[float, ObjectFact]]:
    return sorted(((_along(fact, side), fact) for fact in source), key=lambda pair: pair[0])


def _take(ranked: list[tuple[float, ObjectFact]], start: int, stop: int) -> list[ObjectFact]:
    """Ranks start..stop-1, provided that nothing else is almost level with them."""
    if not ranked:
        return []
    if stop > len(ranked):
        raise AmbiguousProgramError(f"asked for {stop} objects, but there are {len(ranked)}")
    for edge in (start, stop):
        if 0 < edge < len(ranked) and ranked[edge][0] - ranked[edge - 1][0] < ORDER_MARGIN:
            raise AmbiguousProgramError(f"objects at ranks {edge} and {edge + 1} are almost level")
    return [fact for _, fact in ranked[start:stop]]


def _superlative(source: list[ObjectFact], extreme: str, count: int, aspect: float) -> list[ObjectFact]:
    """The count largest or smallest, whether one goes by area, whole or as seen, or by length."""
    if not source:
        return []
    if count > len(source):
        raise AmbiguousProgramError(f"asked for {count} objects, but there are {len(source)}")
    ranked = sorted(source, key=lambda fact: fact.area, reverse=extreme == "largest")
    chosen, rest = ranked[:count], ranked[count:]
    large, small = (chosen, rest) if extreme == "largest" else (rest, chosen)
    if rest and min(f.area * f.visible for f in large) < AREA_RATIO * max(f.area for f in small):
        raise AmbiguousProgramError(f"two objects are of almost the same area: {extreme}?")
    if any(looks_shorter(one, other, aspect) for one in large for other in small):
        raise AmbiguousProgramError(f"a smaller object is longer: {extreme}?")
    return chosen
