"""The categories of an exhaustively annotated source: which images show them, and which are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import permutations

from instructsam.data.templates import head_noun, plural

OFTEN_TOGETHER = 0.2  # share of a category's images in which another one is also


class Vocabulary:
    """Categories with their supercategories, and those that each image shows.

    Only categories that some image shows count: a label that nobody used may stand for things that nobody annotated.
    """

    def __init__(self) -> None:
        self.groups: dict[str, str] = {}
        self.shown: dict[str, set[str]] = {}
        self._alike: dict[str, frozenset[str]] | None = None

    def add(self, name: str, group: str = "") -> None:
        """A category, and its supercategory if there is one."""
        self.groups.setdefault(name, group)

    def see(self, image: str, names: Iterable[str]) -> None:
        """Categories in an image, as objects, crowds or damaged annotations; none of them is absent there."""
        self.shown.setdefault(image, set()).update(names)
        self._alike = None

    @property
    def used(self) -> tuple[str, ...]:
        """Categories that some image shows, in their order."""
        shown = set().union(*self.shown.values())
        return tuple(name for name in dict.fromkeys((*self.groups, *sorted(shown))) if name in shown)

    def absent(self, image: str) -> tuple[str, ...]:
        """Categories that an image does not show; none for an image that is unknown.

        A category that is another word for one that the image shows is left out: "car" where it shows a "police car".
        """
        shown = self.shown.get(image)
        if shown is None:
            return ()
        return tuple(
            name
            for name in self.used
            if name not in shown and not any(self._includes(name, one) for one in shown)
        )

    def alike(self, image: str) -> tuple[str, ...]:
        """The absent categories that are easily confused with one that the image shows.

        They share a supercategory or the head noun with it, or often appear together with it.
        """
        if self._alike is None:
            self._alike = self._look_alikes()
        near = frozenset().union(*(self._alike.get(name, frozenset()) for name in self.shown.get(image, ())))
        return tuple(name for name in self.absent(image) if name in near)

    def _includes(self, name: str, shown: str) -> bool:
        """Whether every thing of the category `shown` is also a `name`."""
        if self.groups.get(shown, "").lower() == name.lower() or plural(name) == plural(shown):
            return True
        words, shown_words = set(name.lower().split()), set(shown.lower().split())
        return words < shown_words and head_noun(name) == head_noun(shown)

    def _look_alikes(self) -> dict[str, frozenset[str]]:
        images, together = Counter[str](), Counter[tuple[str, str]]()
        for names in self.shown.values():
            images.update(names)
            together.update(permutations(names, 2))
        near: dict[str, set[str]] = {name: set() for name in self.used}
        for pair, count in together.items():
            if count >= OFTEN_TOGETHER * images[pair[0]]:
                near[pair[0]].add(pair[1])
        groups = {self.groups.get(name, "") for name in near} - {""}
        for key in (head_noun, lambda name: self.groups.get(name, "") if len(groups) > 1 else ""):
            families: dict[str, set[str]] = {}
            for name in near:
                families.setdefault(key(name), set()).add(name)
            for family, members in families.items():
                for name in members if family else ():
                    near[name] |= members
        return {name: frozenset(others - {name}) for name, others in near.items()}
