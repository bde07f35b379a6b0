"""Kind-colour pairs that no training scene shows: split test_unseen_pairs tests them.

Training shows every kind and every colour, but not in these combinations. No kind is listed twice, every colour three
times.
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
