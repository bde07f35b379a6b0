"""Instructions as small typed programs that are executed on a scene for the answer.

Every program denotes a set of objects. A program is data: `to_dict` and `from_dict` store it in a record,
`execute` answers it on `Facts`. Questions that a person could answer either way raise
`AmbiguousProgramError`: two objects almost level for "leftmost", of almost the same area for "largest", next
to the middle for "left half".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Union, get_args

from instructsam.errors import InputError
from instructsam.world.scene import COLORS, FAMILIES, KINDS, SIZES

if TYPE_CHECKING:
    from instructsam.world.facts import Facts, ObjectFact

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "family": tuple(FAMILIES),
    "color": tuple(COLORS),
    "size": SIZES,
}
RELATIONS = ("left_of", "right_of", "above", "below")
SIDES = ("left", "right", "top", "bottom")
EXTREMES = ("largest", "smallest")

ORDER_MARGIN = 0.05  # of the picture's side: objects closer than this have no order that people agree on
HALF_MARGIN = 0.06  # of the picture's side: an object this near the middle is in neither half
AREA_RATIO = 1.25  # an object must have this many times the other's area to be called larger


class AmbiguousProgramError(InputError):
    """The program has no answer that people would agree on in this scene."""


@dataclass(frozen=True)
class All:
    """Every object."""


@dataclass(frozen=True)
class Filter:
    """The objects of `source` whose `attribute` (a key of `ATTRIBUTES`) is `value`."""

    source: Program
    attribute: str
    value: str


@dataclass(frozen=True)
class Relate:
    """The objects of `source` that lie `relation` (one of `RELATIONS`) the one object of `anchor`."""

    source: Program
    relation: str
    anchor: Program


@dataclass(frozen=True)
class Position:
    """The objects of `source` in the `side` half (one of `SIDES`) of the picture."""

    source: Program
    side: str


@dataclass(frozen=True)
class Extreme:
    """The `count` objects of `source` furthest to the `side`."""

    source: Program
    side: str
    count: int = 1


@dataclass(frozen=True)
class Ordinal:
    """The `nth` object of `source`, counted from the `side`; 1 is the first."""

    source: Program
    side: str
    nth: int


@dataclass(frozen=True)
class Superlative:
    """The `count` objects of `source` that are `extreme` (one of `EXTREMES`)."""

    source: Program
    extreme: str
    count: int = 1


@dataclass(frozen=True)
class Either:
    """The objects of either."""

    first: Program
    second: Program


@dataclass(frozen=True)
class Both:
    """The objects of both."""

    first: Program
    second: Program


@dataclass(frozen=True)
class Difference:
    """The objects of `source` that are not in `removed`."""

    source: Program
    removed: Program


Program = Union[  # noqa: UP007 - evaluated at run time, where the classes only know each other by name
    All, Filter, Relate, Position, Extreme, Ordinal, Superlative, Either, Both, Difference
]
OPS: dict[str, type[Any]] = {node.__name__.lower(): node for node in get_args(Program)}
_CHOICES = {"attribute": tuple(ATTRIBUTES), "relation": RELATIONS, "side": SIDES, "extreme": EXTREMES}


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
            return [fact for fact in _run(source, facts) if getattr(fact, attribute) == value]
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
            return _superlative(_run(source, facts), extreme, count)
        case Either(first, second):
            chosen = {fact.index: fact for fact in (*_run(first, facts), *_run(second, facts))}
            return list(chosen.values())
        case Both(first, second):
            other = {fact.index for fact in _run(second, facts)}
            return [fact for fact in _run(first, facts) if fact.index in other]
        case Difference(source, removed):
            gone = {fact.index for fact in _run(removed, facts)}
            return [fact for fact in _run(source, facts) if fact.index not in gone]


def _along(fact: ObjectFact, side: str) -> float:
    """How far the object is from `side`: grows away from it."""
    return {"left": fact.x, "right": -fact.x, "top": fact.y, "bottom": -fact.y}[side]


def _related(source: list[ObjectFact], relation: str, anchors: list[ObjectFact]) -> list[ObjectFact]:
    if not anchors:
        return []
    if len(anchors) > 1:
        raise AmbiguousProgramError(f"an anchor must be one object, got {len(anchors)}: narrow it down")
    anchor = anchors[0]
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


def _superlative(source: list[ObjectFact], extreme: str, count: int) -> list[ObjectFact]:
    """The count largest or smallest, whether one goes by the whole object or by what is seen of it."""
    if not source:
        return []
    if count > len(source):
        raise AmbiguousProgramError(f"asked for {count} objects, but there are {len(source)}")
    ranked = sorted(source, key=lambda fact: fact.area, reverse=extreme == "largest")
    chosen, rest = ranked[:count], ranked[count:]
    large, small = (chosen, rest) if extreme == "largest" else (rest, chosen)
    if rest and min(f.area * f.visible for f in large) < AREA_RATIO * max(f.area for f in small):
        raise AmbiguousProgramError(f"two objects are of almost the same area: {extreme}?")
    return chosen


def to_dict(program: Program) -> dict[str, Any]:
    """JSON-able form: {"op": ..., field: value or nested program}."""
    out: dict[str, Any] = {"op": type(program).__name__.lower()}
    for field in fields(program):
        value = getattr(program, field.name)
        out[field.name] = value if isinstance(value, str | int) else to_dict(value)
    return out


def from_dict(data: Mapping[str, Any]) -> Program:
    """The program that `to_dict` wrote.

    Raises:
        InputError: unknown op, missing, unknown or ill-typed field.
    """
    op = data.get("op") if isinstance(data, Mapping) else None
    if op not in OPS:
        raise InputError(f"a program's 'op' must be one of {', '.join(OPS)}, got {op!r}")
    node = OPS[op]
    expected = {field.name for field in fields(node)}
    if set(data) - {"op"} != expected:
        got = sorted(set(data) - {"op"})
        raise InputError(f"a program with op {op!r} needs exactly the fields {sorted(expected)}, got {got}")
    program: Program = node(**{name: _field(op, name, data[name]) for name in expected})
    if isinstance(program, Filter) and program.value not in ATTRIBUTES[program.attribute]:
        known = ", ".join(ATTRIBUTES[program.attribute])
        raise InputError(f"a {program.attribute} must be one of {known}, got {program.value!r}")
    return program


def _field(op: str, name: str, value: Any) -> Any:
    if name in ("count", "nth"):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"'{name}' of op {op!r} must be a positive integer, got {value!r}")
        return value
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            known = ", ".join(_CHOICES[name])
            raise InputError(f"'{name}' of op {op!r} must be one of {known}, got {value!r}")
        return value
    return value if name == "value" else from_dict(value)
