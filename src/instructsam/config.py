"""Run configuration: frozen dataclasses filled from a YAML file and `key=value` overrides.

A configuration is a plain frozen dataclass whose fields are bool, int, float, str, Path, Literal, unions,
tuples, string-keyed dicts and further dataclasses. Nothing is guessed: an unknown key or a value of another
type raises `ConfigError`, which names the key, what was expected and what was received.

A dataclass checks its own values in `__post_init__` (`structures.checks.check_intervals`) and raises a `ValueError`
whose text begins with the field's name: the group's name is put in front of it.
"""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml

from instructsam.errors import ConfigError

T = TypeVar("T")

MAX_BYTES = 64 * 1024  # of a file or an override; the largest file in configs/ has 5 KB
MAX_DEPTH = 20  # of nested lists and mappings, and of the dots in an override
MAX_NODES = 5_000  # keys and values, also once every alias is written out
MAX_DIGITS = 30  # of a number
MAX_WHOLE = 2**63 - 1

_NONE_WORDS = ("null", "none", "~", "")
_YAML = "tag:yaml.org,2002:"
_TOO_LARGE = f"more than {MAX_NODES} values or {MAX_DEPTH} levels"


@dataclass(frozen=True)
class _Override:
    """The text behind `key=`; it is read as YAML unless the field wants a string."""

    text: str

    def value(self) -> object:
        try:
            return _parse_yaml(self.text)
        except yaml.YAMLError as error:
            raise _MismatchError("valid YAML", self) from error


class _MismatchError(Exception):
    """A value does not fit; the caller that knows the key turns it into a `ConfigError`."""

    def __init__(self, expected: str, got: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got


class _StrictLoader(yaml.SafeLoader):
    """YAML of plain values: no equal keys, no foreign tags, and bounded depth, size and numbers.

    Aliases may repeat a value, but neither contain themselves nor multiply into more than `MAX_NODES` values.
    """

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth >= MAX_DEPTH or self.nodes >= MAX_NODES:
            raise _yaml_problem(_TOO_LARGE, self.get_mark())
        self.depth, self.nodes = self.depth + 1, self.nodes + 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        _measure(node, {}) if node is not None else None
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _yaml_problem("expected keys and values", node.start_mark)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _YAML + "merge":
                if key.value in seen:
                    raise _yaml_problem(f"the key {_short(key.value)!r} appears twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> bool | int | float:
        """A bool, int or float; its text may disagree with an explicit tag such as `!!int`."""
        kind = node.tag.removeprefix(_YAML)
        if kind != "bool" and len(node.value) > MAX_DIGITS:
            raise _yaml_problem(f"a number of {len(node.value)} digits fits no setting", node.start_mark)
        try:
            value: bool | int | float = getattr(self, f"construct_yaml_{kind}")(node)
        except (ValueError, LookupError, ArithmeticError) as error:
            raise _yaml_problem(f"{_short(node.value)!r} is no {kind}", node.start_mark) from error
        return value

    def construct_foreign(self, node: yaml.Node) -> None:
        """Refuse sets, dates with a tag, binary data and Python objects."""
        raise _yaml_problem(f"the tag {_short(node.tag)!r} is not supported", node.start_mark)


_StrictLoader.yaml_constructors = {  # instead of those of SafeLoader, which it would share
    **{
        _YAML + kind: yaml.SafeLoader.yaml_constructors[_YAML + kind]
        for kind in ("null", "str", "seq", "map")
    },
    **dict.fromkeys((_YAML + kind for kind in ("bool", "int", "float")), _StrictLoader.construct_number),
    _YAML + "timestamp": yaml.SafeLoader.construct_yaml_str,  # no setting is a date
    None: _StrictLoader.construct_foreign,
}


def _yaml_problem(text: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, text, mark)


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Values and levels of a node with every alias written out; `known` holds what was measured before.

    Raises:
        YAMLError: too many, too deep, or the node contains itself.
    """
    if id(node) in known:
        if not known[id(node)][0]:
            raise _yaml_problem("an alias contains itself", node.start_mark)
        return known[id(node)]
    known[id(node)] = (0, 0)
    if isinstance(node, yaml.MappingNode):
        children = [child for pair in node.value for child in pair]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    count, levels = 1, 1
    for child in children:
        more, deeper = _measure(child, known)
        count, levels = count + more, max(levels, 1 + deeper)
    if count > MAX_NODES or levels > MAX_DEPTH:
        raise _yaml_problem(f"{_TOO_LARGE} once its aliases are written out", node.start_mark)
    known[id(node)] = (count, levels)
    return count, levels


def _parse_yaml(text: str | bytes) -> object:
    if len(text) > MAX_BYTES:
        raise yaml.YAMLError(f"longer than {MAX_BYTES // 1024} KiB")
    plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    return yaml.load(plain, Loader=_StrictLoader)


def load_config(cls: type[T], path: str | Path | None, overrides: Sequence[str] = ()) -> T:
    """Reads `path` (None: the defaults alone), applies `overrides` in order and returns an instance of `cls`.

    Args:
        cls: A dataclass.
        path: A YAML file whose top level is a mapping.
        overrides: Texts such as `"train.steps=200"`; dots reach into nested dataclasses.

    Raises:
        ConfigError: The file is missing or no YAML mapping, a key is unknown or a value has the wrong type.
    """
    values: dict[str, Any] = {} if path is None else _read_yaml(Path(path))
    for override in overrides:
        _apply(values, override)
    return build_config(cls, values, where="" if path is None else str(path))


def build_config(cls: type[T], values: Mapping[str, Any], where: str = "", prefix: str = "") -> T:
    """Builds `cls` from plain values, as `to_dict` returns them.

    Args:
        cls: A dataclass.
        values: Its fields.
        where: A file name at the head of the messages.
        prefix: Where the values stand in a larger configuration: "loss.overrides.".

    Raises:
        ConfigError: As in `load_config`.
    """
    if not is_dataclass(cls):
        raise TypeError(f"a configuration class must be a dataclass, got {cls!r}")
    try:
        return cast(T, _build(cls, values, prefix))
    except ConfigError as error:
        if not where:
            raise
        raise ConfigError(f"{where}: {error}") from error


def to_dict(config: object) -> dict[str, Any]:
    """Returns the configuration as dicts, lists and scalars for YAML or JSON; see `build_config`."""
    if not is_dataclass(config) or isinstance(config, type):
        raise TypeError(f"expected a configuration dataclass instance, got {config!r}")
    return {field.name: _plain(getattr(config, field.name)) for field in fields(config) if field.init}


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        values = _parse_yaml(content)
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8 text: save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"the configuration {path} is not valid YAML: {_one_line(error)}") from error
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the configuration {str(path)!r}: {reason}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"the configuration {path} must be a mapping of keys, got {_describe(values)}")
    return values


def _one_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {_short(str(error.problem), 200)}"
    return " ".join(str(error).split())


def _apply(values: dict[str, Any], override: str) -> None:
    """Sets one `a.b=text` in the tree `values`, making the mappings on the way."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        text = _short(override)
        raise ConfigError(f"an override must look like key=value or group.key=value, got {text!r}")
    for depth, part in enumerate(parts[:-1], start=1):
        if values.get(part) is None:
            values[part] = {}
        group = values[part]
        if not isinstance(group, dict):
            name = ".".join(parts[:depth])
            raise ConfigError(f"cannot apply the override {override!r}: {name} holds {_describe(group)}")
        values = group
    values[parts[-1]] = _Override(text.strip())


def _build(cls: type[Any], values: object, prefix: str) -> object:
    if isinstance(values, _Override):
        values = values.value()
    if not isinstance(values, Mapping):
        raise _MismatchError("a mapping of keys", values)
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls) if field.init}
    for key in values:
        if key not in known:
            raise ConfigError(_unknown(f"{prefix}{key}", str(key), prefix, known))
    arguments: dict[str, object] = {}
    for name, field in known.items():
        if name in values:
            arguments[name] = _convert_item(hints[name], values[name], f"{prefix}{name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"the key {prefix}{name} is missing; it has no default")
    try:
        return cls(**arguments)
    except ValueError as error:  # the dataclass checks its own ranges; the text begins with the field's name
        raise ConfigError(f"{prefix}{error}") from error


def _unknown(key: str, name: str, prefix: str, known: Iterable[str]) -> str:
    names, key, name = sorted(known), _short(key), _short(name)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if nearest:
        return f"unknown key {key}; did you mean {prefix}{nearest[0]}?"
    return f"unknown key {key}; known keys: {', '.join(prefix + name for name in names)}"


def _convert(kind: Any, value: object, key: str) -> object:
    """Returns `value` as the type `kind`, or raises `_MismatchError` (`ConfigError` for a nested key)."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(kind), value, key)
    if origin is Literal:
        return _convert_literal(get_args(kind), value)
    if is_dataclass(kind) and isinstance(kind, type):
        return _build(kind, value, f"{key}.")
    if kind is str or kind is Path:
        text = value.text if isinstance(value, _Override) else value
        if not isinstance(text, str):
            raise _MismatchError("a string" if kind is str else "a path", text)
        if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in text):
            raise _MismatchError("text without NUL and without halves of characters", text)
        return kind(text)
    if isinstance(value, _Override):
        return _convert(kind, value.value(), key)
    if kind in (bool, int, float):
        return _convert_scalar(kind, value)
    if origin is tuple:
        return _convert_tuple(get_args(kind), value, key)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _MismatchError("a mapping of keys", value)
        return {
            _convert(str, name, key): _convert_item(get_args(kind)[1], item, f"{key}.{name}")
            for name, item in value.items()
        }
    raise TypeError(f"the field {key} has the type {kind!r}, which a configuration cannot hold")


def _convert_item(kind: Any, value: object, key: str) -> object:
    """Converts a field or an element of a collection; a mismatch names it."""
    try:
        return _convert(kind, value, key)
    except _MismatchError as error:
        raise ConfigError(f"{key} must be {error.expected}, got {_describe(error.got)}") from error


def _convert_union(kinds: tuple[Any, ...], value: object, key: str) -> object:
    others = [kind for kind in kinds if kind is not type(None)]
    if len(others) < len(kinds):
        text = value.text.lower() if isinstance(value, _Override) else None
        if value is None or text in _NONE_WORDS:
            return None
    expected = []
    for kind in sorted(others, key=lambda kind: kind is str):  # a string would swallow every override
        try:
            return _convert(kind, value, key)
        except _MismatchError as error:
            expected.append(error.expected)
    if len(others) < len(kinds):
        expected.append("null")
    raise _MismatchError(" or ".join(expected), value)


def _convert_literal(choices: tuple[object, ...], value: object) -> object:
    candidates: list[object] = [value]
    if isinstance(value, _Override):
        candidates = [value.text, value.value()]
    for candidate in candidates:
        for choice in choices:
            if type(candidate) is type(choice) and candidate == choice:
                return choice
    raise _MismatchError(f"one of {', '.join(repr(choice) for choice in choices)}", value)


def _convert_scalar(kind: type[bool] | type[int] | type[float], value: object) -> bool | int | float:
    if kind is bool:
        if isinstance(value, bool):
            return value
        raise _MismatchError("true or false", value)
    number: float | int | None = None
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)  # YAML 1.1 takes 1e-4 for text
        except (ValueError, OverflowError):
            number = None
    if number is not None and math.isfinite(number):
        if kind is float:
            return number
        if number == int(number) and abs(number) < MAX_WHOLE:
            return value if isinstance(value, int) else int(number)
        if number == int(number):
            raise _MismatchError("a whole number below 2**63", value)
    raise _MismatchError("a whole number" if kind is int else "a finite number", value)


def _convert_tuple(kinds: tuple[Any, ...], value: object, key: str) -> tuple[object, ...]:
    endless = len(kinds) == 2 and kinds[1] is Ellipsis
    if not isinstance(value, (list, tuple)):
        raise _MismatchError("a list such as [1, 2]", value)
    if not endless and len(value) != len(kinds):
        raise _MismatchError(f"a list of {len(kinds)} values", value)
    item_kinds = [kinds[0]] * len(value) if endless else list(kinds)
    return tuple(
        _convert_item(kind, item, f"{key}[{index}]")
        for index, (kind, item) in enumerate(zip(item_kinds, value, strict=True))
    )


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _describe(value: object) -> str:
    if isinstance(value, _Override):
        return f"{_short(value.text)!r}"
    if value is None:
        return "null"
    names: dict[type, str] = {dict: "a mapping", list: "a list", tuple: "a list"}
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or nested without end
        text = "that cannot be shown"
    return f"{names.get(type(value), type(value).__name__)} {_short(text, 100)}"
