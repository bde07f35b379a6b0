"""Messages for pydantic's validation errors: the place, what was expected there, the value that was received.

pydantic decides whether a value is valid; this module only explains its first error. A type may carry the words for
its own values: `Annotated[str, Expected("text that is not empty")]`.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from instructsam.structures.checks import name_of_key

_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")
_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    Path: "a path",
    type(None): "null",
    dict: "a mapping of keys",
    Any: "a value",
}


class Expected(str):
    """Metadata of a type: its valid values in words, as they stand after "expected" or "must be"."""

    __slots__ = ()


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong in a document.

    Attributes:
        place: dotted key with indices, "optim.betas[1]"; "" for the whole document.
        kind: "unknown" and "missing" keys; "type" and "bounds": an unfit value; "check": a validator of ours failed.
        text: words for the valid values; of "unknown" the hint to the known keys; of "check" the validator's message.
        value: what was received.
    """

    place: str
    kind: Literal["unknown", "missing", "type", "bounds", "check"]
    text: str
    value: Any


def first_fault(error: ValidationError, root: Any, document: Any, prefix: str = "") -> Fault:
    """The message for a failed validation of `document` as the type `root`; an unknown key precedes other errors.

    An error inside a union is reported at the union, with all its alternatives. `prefix` stands before every place.
    """
    errors = error.errors(include_url=False, include_input=False)
    first = min(
        errors, key=lambda item: item["type"] not in ("extra_forbidden", "unexpected_keyword_argument")
    )
    path, kind = list(first["loc"]), first["type"]
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        owner = _type_at(root, path[:-1])
        start = prefix + (f"{place_of(path[:-1])}." if path[:-1] else "")
        hint = _known_keys(unwrapped(owner)[0], name_of_key(path[-1]), start)
        return Fault(prefix + place_of(path), "unknown", hint, _value_at(document, path))
    if kind == "missing" and isinstance(path[-1], int):  # a tuple that is too short
        path, kind = path[:-1], "type"
    annotation = _type_at(root, path)
    _, metadata = unwrapped(annotation)
    place, value = prefix + place_of(path), _value_at(document, path)
    if kind in ("missing", "missing_argument"):
        return Fault(place, "missing", "", None)
    if kind in ("value_error", "assertion_error"):
        return Fault(place, "check", str(first["ctx"]["error"]), value)
    if kind in _BOUNDS and not any(isinstance(item, Expected) for item in metadata):
        return Fault(place, "bounds", _interval(metadata), value)
    return Fault(place, "type", _expected(annotation, value), value)


def place_of(path: Sequence[str | int]) -> str:
    """The keys and indices of a place as one text."""
    text = ""
    for part in path:
        text += (
            f"[{part}]" if isinstance(part, int) else f".{name_of_key(part)}" if text else name_of_key(part)
        )
    return text


def fields_of(owner: Any) -> Mapping[str, Any]:
    """The fields of a pydantic model, dataclass or typed dictionary with their types; empty for any other type."""
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        return {name: _with_metadata(field) for name, field in owner.model_fields.items()}
    return get_type_hints(owner, include_extras=True) if is_dataclass(owner) or is_typeddict(owner) else {}


def _with_metadata(field: FieldInfo) -> Any:
    given: Any = Annotated
    return given[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def unwrapped(annotation: Any) -> tuple[Any, list[Any]]:
    """A type without `Annotated` and `| None`, and the metadata that it carried."""
    metadata: list[Any] = []
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            for item in more:
                metadata.extend([item, *item.metadata] if isinstance(item, FieldInfo) else [item])
        elif len(members := _members(annotation)) == 1:
            annotation = members[0]
        else:
            return annotation, metadata


def _type_at(annotation: Any, path: list[str | int]) -> Any:
    """The type at a path; cuts the path at the first union, behind which pydantic names alternatives, not keys."""
    for depth, part in enumerate(path):
        inner, _ = unwrapped(annotation)
        arguments, origin, fields = get_args(inner), get_origin(inner), fields_of(inner)
        if str(part) in fields:
            annotation = fields[str(part)]
        elif origin is tuple and isinstance(part, int):
            annotation = arguments[0] if arguments[-1] is Ellipsis else arguments[part]
        elif origin is dict and path[depth + 1 :] != ["[key]"] and part != "[key]":
            annotation = arguments[1]
        else:
            del path[depth:]
            break
    return annotation


def _value_at(document: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list | tuple) and isinstance(part, int) and part < len(document):
            document = document[part]
        else:
            return None
    return document


def _known_keys(owner: Any, given: str, start: str) -> str:
    renamed, names = getattr(owner, "renamed_keys", {}), sorted(fields_of(owner))
    if given in renamed:
        return f"it is now {start}{renamed[given]}"
    nearest = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    if nearest:
        return f"did you mean {start}{nearest[0]}?"
    return f"known keys: {', '.join(start + name for name in names)}"


def _interval(metadata: Sequence[Any]) -> str:
    """Such as "lie in (0, 100]" or "be at least 1"."""
    sides: dict[str, Any] = {}
    for item in metadata:
        sides |= {name: getattr(item, name) for name in ("gt", "ge", "lt", "le") if hasattr(item, name)}
    low, high = sides.get("ge", sides.get("gt")), sides.get("le", sides.get("lt"))
    if low is None or high is None:
        side, bound = ("low", low) if high is None else ("high", high)
        words = {"low": ("at least", "above"), "high": ("at most", "below")}[side]
        return f"be {words['gt' in sides or 'lt' in sides]} {bound}"
    return f"lie in {'[' if 'ge' in sides else '('}{low}, {high}{']' if 'le' in sides else ')'}"


def _expected(annotation: Any, value: Any) -> str:
    inner, metadata = unwrapped(annotation)
    if words := [item for item in metadata if isinstance(item, Expected)]:
        return words[-1]
    if get_origin(annotation) is Annotated:  # whose `| None` counts
        return _expected(get_args(annotation)[0], value)
    arguments, origin = get_args(annotation), get_origin(annotation)
    if origin in (Union, types.UnionType):
        choices = sorted(arguments, key=lambda kind: kind in (str, type(None)))
        *several, last = [_expected(kind, value) for kind in choices]
        return f"{', '.join(several)} or {last}"
    if origin is Literal:
        return f"one of {', '.join(repr(choice) for choice in arguments)}"
    items = _example_items(arguments[0]) if origin is tuple else ""
    if origin is tuple and arguments[-1] is not Ellipsis and isinstance(value, list | tuple):
        return f"a list of {len(arguments)} values"
    if origin is tuple:
        return f"a tuple such as ({items})" if isinstance(value, list) else f"a list such as [{items}]"
    if fields_of(inner):
        return "a mapping of keys" if issubclass(inner, BaseModel) else "a JSON object"
    return _WORDS.get(origin or annotation, str(annotation))


def _example_items(kind: Any) -> str:
    """Items of a list of that type."""
    inner, _ = unwrapped(kind)
    if get_origin(inner) is Literal:
        return str(get_args(inner)[0])
    return "name, other" if inner is str else "1, 2"


def _members(annotation: Any) -> tuple[Any, ...]:
    """The alternatives of a union without None; empty for any other type."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return ()
    return tuple(member for member in get_args(annotation) if member is not type(None))
