"""YAML of plain values, with bounds on size, depth and numbers, so that no file can exhaust memory."""

from __future__ import annotations

import re
from typing import Any

import yaml

from instructsam.structures.checks import shorten

MAX_BYTES = 64 * 1024  # of a file or an override; the largest file in configs/ has 5 KB
MAX_DEPTH = 20  # of nested lists and mappings, and of the dots in an override
MAX_NODES = 5_000  # keys and values, also once every alias is expanded
MAX_DIGITS = 30  # of a number

# YAML 1.1 reads 010 as octal and 1:30 in base 60, YAML 1.2 reads neither so
_OLD_NUMBER = re.compile(r"[-+]?(0[0-9_]+$|[^:]*:)")
_YAML = "tag:yaml.org,2002:"
_TOO_LARGE = f"more than {MAX_NODES} values or {MAX_DEPTH} levels"


def parse_yaml(text: str | bytes) -> Any:
    """The value of a YAML document; a byte-order mark is allowed.

    Raises:
        YAMLError: it is not YAML of plain values, or exceeds a bound.
        UnicodeDecodeError: the bytes are not UTF-8.
    """
    if len(text) > MAX_BYTES:
        raise yaml.YAMLError(f"longer than {MAX_BYTES // 1024} KiB")
    plain = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    return yaml.load(plain, Loader=_StrictLoader)


def format_yaml(value: Any, flow: bool = False) -> str:
    """A YAML document of plain values that `parse_yaml` reads back; with `flow` on one line."""
    width = MAX_BYTES if flow else None
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, default_flow_style=flow, width=width)
    return text


def one_line(error: yaml.YAMLError) -> str:
    """The problem and its line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {str(error.problem)[:200]}"
    return " ".join(str(error).split())


class _Dumper(yaml.SafeDumper):
    pass


class _StrictLoader(yaml.SafeLoader):
    """Plain values only: no duplicate keys, no custom tags.

    Aliases may repeat a value, but neither contain themselves nor expand to more than `MAX_NODES` values.
    """

    depth = nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth >= MAX_DEPTH or self.nodes >= MAX_NODES:
            raise _problem(_TOO_LARGE, self.get_mark())
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
            raise _problem("expected keys and values", node.start_mark)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _YAML + "merge":
                if key.value in seen:
                    raise _problem(f"the key {shorten(key.value)} appears twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> bool | int | float:
        """A bool, int or float; its text may contradict an explicit tag such as `!!int`. 1e4 is the integer 10000."""
        kind = node.tag.removeprefix(_YAML)
        if kind != "bool" and len(node.value) > MAX_DIGITS:
            raise _problem(f"a number of {len(node.value)} digits fits no setting", node.start_mark)
        if kind != "bool" and _OLD_NUMBER.match(node.value):
            raise _problem(
                f"the number {shorten(node.value)} is ambiguous: write it without leading zeros and colons, or quote "
                "it where text is meant",
                node.start_mark,
            )
        try:
            value: bool | int | float = getattr(self, f"construct_yaml_{kind}")(node)
        except (ValueError, LookupError, ArithmeticError) as error:
            raise _problem(f"{shorten(node.value)} is not valid as {kind}", node.start_mark) from error
        whole = isinstance(value, float) and value.is_integer() and "e" in node.value.lower()
        return int(value) if whole else value

    def refuse_tag(self, node: yaml.Node) -> None:
        """Sets, tagged dates, binary data and Python objects."""
        raise _problem(f"the tag {shorten(node.tag)} is not supported", node.start_mark)


_StrictLoader.yaml_constructors = {  # not shared with SafeLoader
    **{
        _YAML + kind: yaml.SafeLoader.yaml_constructors[_YAML + kind]
        for kind in ("null", "str", "seq", "map")
    },
    **dict.fromkeys((_YAML + kind for kind in ("bool", "int", "float")), _StrictLoader.construct_number),
    _YAML + "timestamp": yaml.SafeLoader.construct_yaml_str,  # no setting is a date
    None: _StrictLoader.refuse_tag,
}
# YAML 1.1 reads 1e-4 and 2.5e3, without a dot or a sign, as text: here they are numbers, and such text is quoted.
for _kind in (_StrictLoader, _Dumper):
    _kind.add_implicit_resolver(
        _YAML + "float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def _problem(text: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, text, mark)


def _measure(node: yaml.Node, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Values and levels of a node with every alias expanded; `known` holds what was measured before.

    Raises:
        YAMLError: too many, too deep, or the node contains itself.
    """
    if id(node) in known:
        if not known[id(node)][0]:
            raise _problem("an alias contains itself", node.start_mark)
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
        raise _problem(f"{_TOO_LARGE} once its aliases are expanded", node.start_mark)
    known[id(node)] = (count, levels)
    return count, levels
