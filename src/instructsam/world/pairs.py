"""Kind-colour pairs that training never shows, for the split of unseen pairs.

Every colour is held out of three kinds, no kind loses more than one colour: the parts of each pair are well
known, only together they are new.
"""

from __future__ import annotations

_KINDS: dict[str, tuple[str, str, str]] = {
    "red": ("bus", "mug", "cactus"),
    "orange": ("teapot", "fish", "shirt"),
    "yellow": ("car", "strawberry", "hat"),
    "green": ("ball", "castle", "umbrella"),
    "blue": ("apple", "cat", "chair"),
    "purple": ("banana", "key", "sailboat"),
    "pink": ("tree", "hammer", "glass"),
    "brown": ("kite", "bottle", "sock"),
}
HELD_OUT_PAIRS: frozenset[tuple[str, str]] = frozenset(
    (kind, color) for color, kinds in _KINDS.items() for kind in kinds
)
