"""Options of commands that write exports: formats and their options."""

from __future__ import annotations

from typing import Annotated

import typer

from instructsam.errors import ConfigError, InputError

ExportOption = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="An option of the formats; may be repeated."),
]


def parse_formats(text: str) -> tuple[str, ...]:
    """The formats of `--format`; "coco" of "coco, coco"."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def parse_format_options(given: list[str]) -> dict[str, object]:
    """The options of `--option`; values are YAML, so that numbers and lists can be given."""
    import yaml

    from instructsam.config.yaml_text import one_line, parse_yaml

    found: dict[str, object] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--option must be NAME=VALUE, such as tolerance=1.5, got {text!r}")
        try:
            found[name.strip()] = parse_yaml(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--option {text!r}: {one_line(error)}") from error
    return found
