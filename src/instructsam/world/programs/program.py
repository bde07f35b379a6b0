"""Instructions as small typed programs that are executed on a scene for the answer.

Every program denotes a set of objects. A program is data: `to_dict` and `from_dict` store it in a record,
`world.execute` answers it on `Facts`. Questions that a person could answer either way raise
`AmbiguousProgramError`: two objects almost level for "leftmost", of almost the same area for "largest", next
to the middle for "left half".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Union, get_args

from instructsam.errors import InputError
from instructsam.world.programs.knowledge import FUNCTIONS
from instructsam.world.scenes.scene import COLORS, FAMILIES, KINDS, PATTERNS, SIZES

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "family": tuple(FAMILIES),
    "color": tuple(COLORS),
    "size": SIZES,
    "pattern": PATTERNS,
    "function": tuple(FUNCTIONS),
}
SAME_ATTRIBUTES = ("color", "pattern", "size", "kind")
RELATIONS = ("left_of", "right_of", "above", "below")
SIDES = ("left", "right", "top", "bottom")
EXTREMES = ("largest", "smallest")
COMPARISONS = ("larger", "smaller")
SHELVES = ("top", "middle", "bottom")


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


@dataclass(frozen=True)
class Between:
    """The objects of `source` that lie between the one object of `first` and the one of `second`."""

    source: Program
    first: Program
    second: Program


@dataclass(frozen=True)
class OnShelf:
    """The objects of `source` on the `shelf` (one of `SHELVES`)."""

    source: Program
    shelf: str


@dataclass(frozen=True)
class Nearest:
    """The one object of `source` that is nearest to the one object of `anchor`."""

    source: Program
    anchor: Program


@dataclass(frozen=True)
class Same:
    """The objects of `source` with the `same` attribute (of `SAME_ATTRIBUTES`) as the one `anchor`, without it."""

    source: Program
    same: str
    anchor: Program


@dataclass(frozen=True)
class Compare:
    """The objects of `source` that are `comparison` (one of `COMPARISONS`) than the one `anchor`."""

    source: Program
    comparison: str
    anchor: Program


@dataclass(frozen=True)
class Counted:
    """The objects of `source` if there are exactly `count`, else none: the premise is false."""

    source: Program
    count: int


Program = Union[  # noqa: UP007 - evaluated at run time, where the classes only know each other by name
    All,
    Filter,
    Relate,
    Position,
    Extreme,
    Ordinal,
    Superlative,
    Either,
    Both,
    Difference,
    Between,
    OnShelf,
    Nearest,
    Same,
    Compare,
    Counted,
]
OPS: dict[str, type[Any]] = {node.__name__.lower(): node for node in get_args(Program)}
_CHOICES = {
    "attribute": tuple(ATTRIBUTES),
    "relation": RELATIONS,
    "side": SIDES,
    "extreme": EXTREMES,
    "shelf": SHELVES,
    "same": SAME_ATTRIBUTES,
    "comparison": COMPARISONS,
}


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
