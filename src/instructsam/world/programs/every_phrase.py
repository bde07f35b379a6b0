"""The words of all canonical phrases, and of the lexicon: the word list of a model of the world.

    python -m instructsam.world.programs.every_phrase > words.txt

A phrase about any object has every word of its operation, so each value of each field occurs in one phrase.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from itertools import zip_longest
from typing import Any, get_type_hints

from instructsam.world.language.lexicon import NUMBERS, ORDINALS, plural_name
from instructsam.world.language.words import every_word
from instructsam.world.programs.all_objects import All
from instructsam.world.programs.filter import ATTRIBUTES, Filter
from instructsam.world.programs.operation import Operation
from instructsam.world.programs.operations import OPERATIONS
from instructsam.world.programs.program import Program
from instructsam.world.scenes.scene import FAMILIES, KINDS

_AGREEMENT = re.compile(r"(\w+)\{(e?s)\}")  # "bounce{s}": a verb in both numbers
_SLOT = re.compile(r"\{\w+\}")
_COUNTS = range(1, max(len(NUMBERS), len(ORDINALS)) + 1)


def every_phrase() -> Iterator[str]:
    """Canonical phrases that have every word of all of them, with repetitions."""
    for attribute, values in ATTRIBUTES.items():
        for value in values:
            for many in (False, True):
                yield Filter(All(), attribute, value).phrase(many)
    yield from map(plural_name, (*KINDS, *FAMILIES))
    for operation in OPERATIONS.values():
        if operation.program is not Filter:
            for program in _programs(operation):
                yield program.phrase()


def _programs(operation: Operation) -> Iterator[Program]:
    """Programs of an operation that have each value of each field at least once."""
    types: dict[str, Any] = get_type_hints(operation.program)
    red = Filter(All(), "color", "red")
    values: dict[str, tuple[Any, ...]] = {}
    for field in fields(operation.program):
        if types[field.name] is int:
            known = len(ORDINALS) if field.name == "nth" else len(NUMBERS)
            values[field.name] = tuple(_COUNTS[:known])
        elif types[field.name] is str:
            values[field.name] = operation.choices[field.name]
        else:
            values[field.name] = (All(), red) if field.name == "removed" else (All(),)
    for row in zip_longest(*values.values()):
        given = zip(values, row, strict=True)
        yield operation.program(**{name: values[name][0] if one is None else one for name, one in given})


def phrase_words() -> list[str]:
    """The words of `every_phrase` and of `language.words.every_word`, in lower case and sorted."""
    texts = " ".join((*every_phrase(), *every_word())).lower()
    both = _AGREEMENT.sub(r"\1 \1\2", texts)
    found = {word.strip(".,!?;:\"()'") for word in _SLOT.sub(" ", both).split()}
    return sorted(found - {""})


if __name__ == "__main__":
    sys.stdout.write("\n".join(phrase_words()) + "\n")
