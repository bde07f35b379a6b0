"""Reads Python's serialised files (refs(unc).p) as data: containers, numbers, text, bytes, None and nothing else.

The standard unserialiser may run code that the file names. Here the file is taken apart into its instructions by the
standard library's disassembler, which runs nothing, and only those that build plain values are carried out: there is
no instruction for importing, calling or building objects, so a file cannot ask for one.

A few bytes can name the same list again and again, so that a small file stands for more values than a reader can ever
walk through. The number of values, counted with repetition, is therefore bounded by the size of the file.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from instructsam.errors import RecordError, first_line
from instructsam.structures.files import reason

_MARK = object()
_INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_FLOATS = ("FLOAT", "BINFLOAT")
_BYTES = ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_VALUES = frozenset((*_INTEGERS, *_FLOATS, *_BYTES, *_TEXTS))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUT, _GET = frozenset(("PUT", "BINPUT", "LONG_BINPUT")), frozenset(("GET", "BINGET", "LONG_BINGET"))
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_REPEATED = 16  # values for each byte of the file; a file that names no container twice has at most 1
_MOST_BITS = 128  # of an integer


def read_plain_objects(path: Path) -> Any:
    """The value in a serialised file.

    Raises:
        RecordError: the file cannot be read, is cut, or holds more than plain values; the message names the byte.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read ({reason(error)}); put the file there") from error
    # From memory: a file object sets aside as many bytes as the file says that a text has, before it reads them.
    builder = _Builder(path)
    value = builder.build(io.BytesIO(content))
    if builder.repeats and not _is_within(value, _REPEATED * len(content)):
        raise RecordError(
            f"{path}: expected a list of references, got containers inside themselves or repeated so often that "
            "reading them would not end; fetch the file again"
        )
    return value


class _Builder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.repeats = False  # whether a container was named again

    def build(self, stream: Any) -> Any:
        place: int | None = 0
        try:
            for code, argument, place in pickletools.genops(stream):
                if code.name == "STOP":
                    return self.stack.pop()
                self._step(code.name, argument, place or 0)
        except (ValueError, IndexError, KeyError, TypeError) as error:
            if isinstance(error, RecordError):
                raise
            raise RecordError(
                f"{self.path}, byte {place}: this is not a whole serialised file ({first_line(error)[:80]}); "
                "fetch it again"
            ) from error
        raise RecordError(f"{self.path}: the serialised file ends too early; fetch it again")

    def _step(self, name: str, argument: Any, place: int) -> None:
        stack = self.stack
        if name in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > _MOST_BITS:
                raise ValueError("an integer that fits no field")
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _PUT:
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in _GET:
            stack.append(self.memo[argument])
            self.repeats = self.repeats or isinstance(stack[-1], list | tuple | dict)
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("PROTO", "FRAME"):
            pass
        elif not self._container(name):
            raise RecordError(
                f"{self.path}, byte {place}: expected plain data (lists, dictionaries, numbers, text), got the "
                f"instruction {name}, which builds objects; convert the file to JSON with a program that you trust"
            )

    def _container(self, name: str) -> bool:
        stack = self.stack
        if name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE"):
            stack.append({"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}[name]())
        elif name in _TUPLES:
            count = _TUPLES[name]
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "LIST":
            stack.append(self._since_mark())
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name == "DICT":
            stack.append(_pairs(self._since_mark()))
        elif name == "APPEND":
            value = stack.pop()
            self._top(list).append(value)
        elif name == "APPENDS":
            values = self._since_mark()
            self._top(list).extend(values)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            self._top(dict).update(_pairs([key, value]))
        elif name == "SETITEMS":
            values = self._since_mark()
            self._top(dict).update(_pairs(values))
        else:
            return False
        return True

    def _top(self, kind: type) -> Any:
        """The container that is being filled."""
        if not isinstance(self.stack[-1], kind):
            raise TypeError(
                f"items for a {type(self.stack[-1]).__name__} where a {kind.__name__} is expected"
            )
        return self.stack[-1]

    def _since_mark(self) -> list[Any]:
        found: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            found.append(value)
        return found[::-1]


def _pairs(values: list[Any]) -> dict[Hashable, Any]:
    if len(values) % 2:
        raise ValueError("a key without a value")
    for key in values[::2]:
        if not isinstance(key, str | bytes | int | float | None):  # hashing a nested tuple can take years
            raise TypeError(f"a {type(key).__name__} as a key")
    return dict(zip(values[::2], values[1::2], strict=True))


def _is_within(value: Any, most: int) -> bool:
    """Whether a value has at most `most` values inside, counted as often as they occur, and holds no cycle."""
    sizes: dict[int, int | None] = {}  # by identity; None: entered, not yet known
    stack = [value]
    while stack:
        container = stack[-1]
        entered = id(container) in sizes
        if entered and sizes[id(container)] is not None:
            stack.pop()
            continue
        values = _children(container)
        children = [child for child in values if isinstance(child, list | tuple | dict)]
        if not entered:
            sizes[id(container)] = None
            if any(sizes.get(id(child), 0) is None for child in children):
                return False  # one that is still open contains itself
            stack.extend(child for child in children if id(child) not in sizes)
        else:
            total = 1 + len(values) + sum(sizes[id(child)] or 0 for child in children)
            if total > most:
                return False
            sizes[id(container)] = total
    return True


def _children(value: Any) -> Any:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list | tuple) else ()
