"""Run configuration: frozen pydantic models, filled from a YAML file and `key=value` overrides.

Values keep their type: the text "1" is not a number, true is not 1, and an unknown key is an error. Every message names
the key, what was expected and what was received.

A bound stands with its field (`Field(gt=0, le=100)`). Conditions on several fields are checked in a
`model_validator(mode="after")`, which raises a `ConfigError` whose text begins with a field's name; the name of the
group is put in front of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from instructsam.config.yaml_text import MAX_BYTES as MAX_FILE_BYTES
from instructsam.config.yaml_text import MAX_DEPTH, format_yaml, one_line, parse_yaml
from instructsam.errors import ConfigError
from instructsam.structures.checks import describe, name_of_key, shorten
from instructsam.structures.files import reason
from instructsam.structures.validation import fields_of, first_fault, unwrapped

C = TypeVar("C", bound="Config")

MAX_WHOLE = 2**63 - 1
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Config(BaseModel):
    """Base of every group of settings.

    Attributes:
        renamed_keys: key of an earlier version -> its present name, from this group on; messages alone use it.
    """

    model_config = _STRICT
    renamed_keys: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **values: Any) -> None:
        """Checks values that are given in Python as those of a file are checked.

        Raises:
            ConfigError: a key is unknown, or a value has the wrong type or is out of bounds.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_message(error, type(self), values, "")) from error

    # Without this mark pydantic would call __init__ for nested models too, and lose the place of an error.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def load_config(cls: type[C], path: str | Path | None, overrides: Sequence[str] = ()) -> C:
    """Reads `path` (None: the defaults alone), applies `overrides` in order and returns an instance of `cls`.

    Args:
        cls: a subclass of `Config`.
        path: a YAML file whose top level is a mapping.
        overrides: texts such as `"train.steps=200"`; dots reach into nested groups.

    Raises:
        ConfigError: the file cannot be read as a YAML mapping, a key is unknown or a value is not valid.
    """
    values: dict[str, Any] = {} if path is None else _read_yaml(Path(path))
    changed = deepcopy(values)
    for override in overrides:
        _apply(cls, changed, override)
    try:
        return build_config(cls, changed)
    except ConfigError as error:
        in_file = path is not None and _fault_of(cls, values) == str(error)
        raise ConfigError(f"{path}: {error}" if in_file else str(error)) from error


def _fault_of(cls: type[Config], values: Mapping[str, Any]) -> str:
    """The message for values that are wrong, "" for right ones."""
    try:
        build_config(cls, values)
    except ConfigError as error:
        return str(error)
    return ""


def build_config(cls: type[C], values: Mapping[str, Any], where: str = "", prefix: str = "") -> C:
    """Builds `cls` from plain values, as `to_dict` returns them.

    Args:
        cls: a subclass of `Config`.
        values: its fields; lists stand for tuples and texts for paths.
        where: a file name at the head of the messages.
        prefix: where the values stand in a larger configuration: "loss.overrides.".

    Raises:
        ConfigError: as in `load_config`.
    """
    try:
        plain = _plain(values, prefix.rstrip("."))
        return cls.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        message = _message(error, cls, plain, prefix)
    except ConfigError as error:
        message = str(error)
    raise ConfigError(f"{where}: {message}" if where else message)


def dump_config(config: Config) -> str:
    """The configuration as YAML, which `load_config` reads back."""
    return format_yaml(to_dict(config))


def to_dict(config: Config) -> dict[str, Any]:
    """The configuration as dicts, lists and scalars for YAML or JSON; see `build_config`."""
    return config.model_dump(mode="json")


def flat_keys(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by their full key, such as "optim.lr"."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(flat_keys(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _message(error: ValidationError, cls: type[Config], values: Any, prefix: str) -> str:
    fault = first_fault(error, cls, values, prefix)
    if fault.kind == "unknown":
        return f"unknown key {fault.place}; {fault.text}"
    if fault.kind == "missing":
        return f"the key {fault.place} is missing; it has no default"
    if fault.kind == "check":
        return f"{fault.place}{'.' if fault.place not in ('', prefix) else ''}{fault.text}"
    if fault.kind == "bounds":
        return f"{fault.place} must {fault.text}, got {shorten(fault.value)}"
    return f"{fault.place} must be {fault.text}, got {_describe(fault.value)}"


def _describe(value: object) -> str:
    return "null" if value is None else describe(value, 100)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
        values = parse_yaml(content)
    except UnicodeDecodeError as error:
        raise ConfigError(f"the configuration {path} is not UTF-8 text: save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"the configuration {path} is not valid YAML: {one_line(error)}") from error
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        raise ConfigError(f"cannot read the configuration {str(path)!r}: {reason(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"the configuration {path} must be a mapping of keys, got {_describe(values)}")
    return values


def _apply(cls: type[Config], values: dict[str, Any], override: str) -> None:
    """Sets one `a.b=text` in the tree `values`, creating the mappings above it."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > MAX_DEPTH:
        raise ConfigError(f"an override must look like key=value or group.key=value, got {shorten(override)}")
    for depth, part in enumerate(parts[:-1], start=1):
        if values.get(part) is None:
            values[part] = {}
        group = values[part]
        if not isinstance(group, dict):
            name = ".".join(parts[:depth])
            raise ConfigError(
                f"cannot apply the override {shorten(override)}: {name} holds {_describe(group)}"
            )
        values = group
    values[parts[-1]] = _override_value(_type_at(cls, parts), key.strip(), text.strip())


def _override_value(annotation: Any, key: str, text: str) -> Any:
    """The text behind `key=` as YAML, or as it stands where the field takes text and the YAML does not fit."""
    if annotation in (str, Path):
        return text
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{key} must be valid YAML, got {shorten(text)} ({one_line(error)})") from error
    if annotation is None or isinstance(value, str):
        return value
    fits = isinstance(value, list | dict) or _fits(annotation, value) or not _fits(annotation, text)
    return value if fits else text


def _fits(annotation: Any, value: Any) -> bool:
    config = None if fields_of(unwrapped(annotation)[0]) else _STRICT  # models have their own
    try:
        TypeAdapter(annotation, config=config).validate_json(json.dumps(value))
    except (ValidationError, ValueError):
        return False
    return True


def _type_at(annotation: Any, parts: Sequence[str]) -> Any:
    """The type of the field that dotted parts name; None for an unknown one, which `build_config` reports."""
    for part in parts:
        inner, _ = unwrapped(annotation)
        if part in fields_of(inner):
            annotation = fields_of(inner)[part]
        elif get_origin(inner) is dict:
            annotation = get_args(inner)[1]
        else:
            return None
    return annotation


def _plain(value: Any, key: str, depth: int = 0) -> Any:
    """A copy of plain values that JSON can hold.

    Raises:
        ConfigError: a text, number or other value that it cannot hold; the message names the key.
    """
    if isinstance(value, Mapping) and depth <= MAX_DEPTH:
        start = f"{key}." if key else ""
        return {
            _plain(str(name), key): _plain(item, f"{start}{name_of_key(name)}", depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple) and depth <= MAX_DEPTH:
        return [_plain(item, f"{key}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, str):
        if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in value):
            raise ConfigError(f"{key} must be text without NUL and surrogates, got {describe(value)}")
        return value
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise ConfigError(f"{key} must be a whole number below 2**63, got {describe(value)}")
    if value is not None and not isinstance(value, int | float):
        raise ConfigError(f"{key} must be a plain value, got {describe(value)}")
    return value
