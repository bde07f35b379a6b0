"""Reads Python's serialised files (refs(unc).p) as data: containers, numbers, text, bytes, None and nothing else.

The standard library's unpickler reads them, restricted to the opcodes that build plain values. Refusing in `find_class`
alone would not be as safe: the C unpickler takes extension codes from a cache, reserves memory for any memo index that
a file names, and hashes nested tuples as keys without end. So this is its Python class, with a table of opcodes.

A few bytes can name the same list again and again, so that a small file stands for more values than a reader can ever
walk through. The number of values, counted with repetition, is therefore bounded by the size of the file.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from instructsam.errors import RecordError, first_line
from instructsam.structures.files import reason

_Step = Callable[[Any], None]
_UNCHANGED = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "NONE", "NEWTRUE", "NEWFALSE"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "LIST", "TUPLE"),
        *("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "MARK", "PROTO", "STOP"),
    )
)
_REPEATED = 16  # values for each byte of the file; a file that names no container twice has at most 1
_MOST_BITS = 128  # of an integer
_ERRORS = (pickle.UnpicklingError, struct.error, EOFError, ValueError, LookupError, TypeError, OverflowError)


def read_plain_objects(path: Path) -> Any:
    """The value in a serialised file.

    Raises:
        RecordError: the file cannot be read, is cut, or holds more than plain values; the message names the byte.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read ({reason(error)}); put the file there") from error
    stream = io.BytesIO(
        content
    )  # in memory: a file object would reserve as many bytes as a text claims to have
    reader = _PlainUnpickler(stream, encoding="latin1")
    try:
        value = reader.load()
    except _OpcodeError as error:
        raise RecordError(
            f"{path}, byte {stream.tell() - 1}: expected plain data (lists, dictionaries, numbers, text), got the "
            f"instruction {error}, which builds objects; convert the file to JSON with a program that you trust"
        ) from error
    except _ERRORS as error:
        raise RecordError(
            f"{path}, byte {stream.tell()}: this is not a whole serialised file ({first_line(error)[:80]}); "
            "fetch it again"
        ) from error
    if reader.repeats and not _is_within(value, _REPEATED * len(content)):
        raise RecordError(
            f"{path}: expected a list of references, got containers inside themselves or repeated so often that "
            "reading them would not end; fetch the file again"
        )
    return value


class _OpcodeError(Exception):
    """An opcode that is not carried out; the message is its name."""


class _Opcodes(dict[int, _Step]):
    """Opcodes that are carried out; any other is refused."""

    def __missing__(self, code: int) -> _Step:
        names = [opcode.name for opcode in pickletools.opcodes if ord(opcode.code) == code]
        raise _OpcodeError(names[0]) if names else ValueError(f"the byte {code:#04x} is not an opcode")


class _PlainUnpickler(pickle._Unpickler):
    dispatch = _Opcodes()
    repeats = False  # whether a container was named again

    def find_class(self, module: str, name: str) -> Any:
        """No opcode leads here; it refuses anyway."""
        raise _OpcodeError(f"for {module}.{name}"[:80])


def _checked(step: _Step) -> _Step:
    def load_integer(reader: Any) -> None:
        step(reader)
        if reader.stack[-1].bit_length() > _MOST_BITS:
            raise ValueError("an integer that fits no field")

    return load_integer


def _noted(step: _Step) -> _Step:
    def load_from_memo(reader: Any) -> None:
        step(reader)
        reader.repeats = reader.repeats or isinstance(reader.stack[-1], list | tuple | dict)

    return load_from_memo


def _added(kind: Any, count: int | None) -> _Step:
    """Values for the container below them: `count`, or all since the mark."""

    def load_items(reader: Any) -> None:
        values = reader.pop_mark() if count is None else [reader.stack.pop() for _ in range(count)][::-1]
        target = reader.stack[-1]
        if type(target) is not kind:
            raise TypeError(f"items for a {type(target).__name__} where a {kind.__name__} is expected")
        target.extend(values) if kind is list else target.update(_pairs(values))

    return load_items


def _load_dict(reader: Any) -> None:
    pairs = _pairs(reader.pop_mark())
    reader.append(dict(pairs))


def _opcodes() -> Iterator[tuple[int, _Step]]:
    wrapped = dict.fromkeys(("LONG", "LONG1", "LONG4"), _checked)
    wrapped |= dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _noted)
    own: dict[str, _Step] = {
        "APPEND": _added(list, 1),
        "APPENDS": _added(list, None),
        "SETITEM": _added(dict, 2),
        "SETITEMS": _added(dict, None),
        "DICT": _load_dict,
        "FRAME": lambda reader: reader.read(8),  # frames change nothing about the values
    }
    for opcode in pickletools.opcodes:
        code, name = ord(opcode.code), opcode.name
        if name in own:
            yield code, own[name]
        elif name in wrapped:
            yield code, wrapped[name](pickle._Unpickler.dispatch[code])
        elif name in _UNCHANGED:
            yield code, pickle._Unpickler.dispatch[code]


_PlainUnpickler.dispatch.update(_opcodes())


def _pairs(values: list[Any]) -> Iterator[tuple[Any, Any]]:
    if len(values) % 2:
        raise ValueError("a key without a value")
    for key in values[::2]:
        if not isinstance(key, str | bytes | int | float | None):  # hashing a nested tuple can take years
            raise TypeError(f"a {type(key).__name__} as a key")
    return zip(values[::2], values[1::2], strict=True)


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
