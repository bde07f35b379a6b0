"""Lines of text in YAML files that people write: keys, under them perhaps further keys, under them lists of lines.

Every line keeps its place, so that a message can name the file, the key and the number of the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from string import Formatter

import yaml

from instructsam.errors import InputError
from instructsam.structures.files import reason

PACKAGE = "instructsam.world.language"
AGREEING = frozenset({"is", "does", "has", "was", "s", "es", "them", "one", "this"})
"""Slots for words that agree with one thing or several."""
_KEY = re.compile(r"^ *([\w][^\"'#:\[\]{}]*):(?: |$)")
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times faster


@dataclass(frozen=True)
class Line:
    """One line of a data file.

    Attributes:
        text: as written, without quotes.
        place: "FILE, line NUMBER, KEY", for messages.
    """

    text: str
    place: str

    def slots(self) -> frozenset[str]:
        """The names in braces.

        Raises:
            InputError: braces enclose no name.
        """
        try:
            return frozenset(name for _, name, _, _ in Formatter().parse(self.text) if name is not None)
        except ValueError as error:
            raise InputError(
                f"{self.place}: braces must enclose slots, got {self.text!r} ({error})"
            ) from error


def parse_lines(text: str, file: str, depth: int = 1) -> dict[tuple[str, ...], tuple[Line, ...]]:
    """Keys -> lines.

    Args:
        text: the file's content.
        file: its name, for messages.
        depth: number of keys above each list.

    Raises:
        InputError: the text is no YAML, a key occurs twice, or something else stands where a key or a line belongs.
    """
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        number = mark.line + 1 if mark else 1
        raise InputError(
            f"{file}, line {number}{_key_above(text, number)}: expected YAML, got: {error.problem or error.context};"
            " put every line of text into double quotes"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"{file}: expected YAML, got: {' '.join(str(error).split())}") from error
    return dict(_entries(root, file, (), depth)) if root is not None else {}


def _key_above(text: str, number: int) -> str:
    keys = [found[1] for line in text.splitlines()[:number] if (found := _KEY.match(line))]
    return f", {keys[-1]}" if keys else ""


def _entries(
    node: yaml.Node, file: str, keys: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], tuple[Line, ...]]]:
    place = _place(file, node, keys)
    if len(keys) == depth:
        if not isinstance(node, yaml.SequenceNode):
            raise InputError(
                f"{place}: expected a list of lines, got {_described(node)}; begin each line with '- '"
            )
        yield keys, tuple(_line(item, file, keys) for item in node.value)
        return
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{place}: expected keys with lists of lines, got {_described(node)}")
    seen: set[str] = set()
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{_place(file, key, keys)}: expected a key, got {_described(key)}")
        if key.value in seen:
            place = _place(file, key, (*keys, key.value))
            raise InputError(
                f"{place}: expected each key once, got {key.value!r} twice; put its lines together"
            )
        seen.add(key.value)
        yield from _entries(value, file, (*keys, str(key.value)), depth)


def _line(node: yaml.Node, file: str, keys: tuple[str, ...]) -> Line:
    place = _place(file, node, keys)
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise InputError(
            f"{place}: expected a line of text, got {_described(node)}; put double quotes around the line"
        )
    return Line(node.value, place)


def _place(file: str, node: yaml.Node, keys: tuple[str, ...]) -> str:
    return ", ".join((file, f"line {node.start_mark.line + 1}", *keys))


def _described(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value) if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a key with a value"


def read_lines(name: str, depth: int = 1) -> dict[tuple[str, ...], tuple[Line, ...]]:
    """`parse_lines` of a file beside this module, such as "words/kinds.yaml".

    Raises:
        InputError: as in `parse_lines`.
    """
    return parse_lines(read_data(name), name, depth)


def read_data(name: str) -> str:
    """The text of a file beside this module.

    Raises:
        InputError: it is missing or not UTF-8.
    """
    try:
        return resources.files(PACKAGE).joinpath(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: expected a file in UTF-8, got: {reason(error)}") from error
