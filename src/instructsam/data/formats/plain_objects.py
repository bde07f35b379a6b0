"""Reads Python's serialised files (refs(unc).p) as data: containers, numbers, text, bytes, None and nothing else.

The standard unserialiser may run code that the file names. Here the file is taken apart into its instructions by the
standard library's disassembler, which runs nothing, and only those that build plain values are carried out: there is
no instruction for importing, calling or building objects, so a file cannot ask for one.
"""

from __future__ import annotations

import pickletools
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from instructsam.errors import RecordError

_MARK = object()
_INTEGERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4")
_FLOATS = ("FLOAT", "BINFLOAT")
_BYTES = ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_VALUES = frozenset((*_INTEGERS, *_FLOATS, *_BYTES, *_TEXTS))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_PUT, _GET = frozenset(("PUT", "BINPUT", "LONG_BINPUT")), frozenset(("GET", "BINGET", "LONG_BINGET"))
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read_plain_objects(path: Path) -> Any:
    """The value in a serialised file.

    Raises:
        RecordError: the file cannot be read, is cut, or holds more than plain values; the message names the byte.
    """
    try:
        with path.open("rb") as stream:
            return _Builder(path).build(stream)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); put the file there") from error


class _Builder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

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
                f"{self.path}, byte {place}: this is not a whole serialised file ({error}); fetch it again"
            ) from error
        raise RecordError(f"{self.path}: the serialised file ends too early; fetch it again")

    def _step(self, name: str, argument: Any, place: int) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _PUT:
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in _GET:
            stack.append(self.memo[argument])
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
            stack[-1].append(value)
        elif name == "APPENDS":
            values = self._since_mark()
            stack[-1].extend(values)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1].update(_pairs([key, value]))
        elif name == "SETITEMS":
            values = self._since_mark()
            stack[-1].update(_pairs(values))
        else:
            return False
        return True

    def _since_mark(self) -> list[Any]:
        found: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            found.append(value)
        return found[::-1]


def _pairs(values: list[Any]) -> dict[Hashable, Any]:
    if len(values) % 2:
        raise ValueError("a key without a value")
    return dict(zip(values[::2], values[1::2], strict=True))
