"""Names of splits as folders and files have them."""

from __future__ import annotations

TRAIN, VAL = "train", "val"
_SAME = ((VAL, "valid", "validation"),)


def spellings(split: str) -> tuple[str, ...]:
    """The names of a split, the given one first: tools write val, valid and validation; "" is the one to train on."""
    name = split or TRAIN
    for names in _SAME:
        if name in names:
            return name, *(other for other in names if other != name)
    return (name,)
