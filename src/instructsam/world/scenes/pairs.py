"""Kind-colour pairs that no training scene shows: split test_unseen_pairs asks for them.

Every kind and every colour is seen in training, only not in these combinations; no kind stands here twice, and every
colour three times.
"""

from __future__ import annotations

HELD_OUT_PAIRS: frozenset[tuple[str, str]] = frozenset(
    {
        ("apple", "purple"), ("mug", "orange"), ("car", "pink"), ("cat", "blue"), ("hat", "green"), ("key", "red"),
        ("banana", "brown"), ("teapot", "yellow"), ("bus", "purple"), ("fish", "orange"), ("shoe", "pink"),
        ("hammer", "blue"), ("pear", "red"), ("bottle", "brown"), ("airplane", "green"), ("snail", "yellow"),
        ("umbrella", "purple"), ("spoon", "orange"), ("flower", "green"), ("house", "pink"), ("kite", "brown"),
        ("chair", "red"), ("cactus", "blue"), ("tent", "yellow"),
    }
)  # fmt: skip
