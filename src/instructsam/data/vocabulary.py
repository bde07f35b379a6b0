"""The categories of an exhaustively annotated source: which images show them, and which are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations

from instructsam.data.record import Record
from instructsam.data.templates import head_noun, plural

OFTEN_TOGETHER = 0.2  # share of a category's images in which another one is also


class Vocabulary:
    """Categories with their supercategories, and those that each image shows.

    Only categories that some image shows count: a label that nobody used may stand for things that nobody annotated.

    Attributes:
        groups: supercategories, "" for none.
        shown: categories by image.
        phrases: of names that are not their own phrase.
    """

    def __init__(self) -> None:
        self.groups: dict[str, str] = {}
        self.shown: dict[str, set[str]] = {}
        self.phrases: dict[str, tuple[str, ...]] = {}
        self._relations: _Relations | None = None

    def add(self, name: str, group: str = "") -> None:
        """A category, and its supercategory if there is one."""
        self.groups.setdefault(name, group)
        self._relations = None

    def see(self, image: str, names: Iterable[str]) -> None:
        """Categories in an image, as objects, crowds or damaged annotations; none of them is absent there."""
        self.shown.setdefault(image, set()).update(names)
        self._relations = None

    @classmethod
    def of_instructions(cls, records: Sequence[Record]) -> Vocabulary:
        """The instructions of records, each absent from all images of which no record shares one of its phrases."""
        vocabulary = cls()
        with_phrase: dict[str, set[str]] = {}
        for record in records:
            phrases = tuple(phrase.text for phrase in record.phrases)
            vocabulary.phrases.setdefault(record.instruction, phrases)
            for text in phrases:
                with_phrase.setdefault(text, set()).add(record.instruction)
        for record in records:
            vocabulary.see(record.image.file, set().union(*(with_phrase[one.text] for one in record.phrases)))
        return vocabulary

    @property
    def used(self) -> tuple[str, ...]:
        """Categories that some image shows, in their order."""
        return tuple(self._related.alike)

    def absent(self, image: str) -> tuple[str, ...]:
        """Categories that an image does not show; none for an image that is unknown.

        A category that is another word for one that the image shows is left out: "car" where it shows a "police car".
        """
        shown = self.shown.get(image)
        if shown is None:
            return ()
        related = self._related
        covered = shown.union(*(related.wider.get(name, ()) for name in shown))
        return tuple(name for name in related.alike if name not in covered)

    def alike(self, image: str) -> tuple[str, ...]:
        """The absent categories that are easily confused with one that the image shows.

        They share a supercategory or the head noun with it, or often appear together with it.
        """
        related = self._related
        near = set().union(*(related.alike.get(name, ()) for name in self.shown.get(image, ())))
        return tuple(name for name in self.absent(image) if name in near)

    @property
    def _related(self) -> _Relations:
        if self._relations is None:
            self._relations = _Relations(self.groups, self.shown)
        return self._relations


class _Relations:
    """Relations between the categories in use.

    Attributes:
        alike: categories that are easily confused with each one.
        wider: categories that every thing of each one also belongs to.
    """

    def __init__(self, groups: Mapping[str, str], shown: Mapping[str, set[str]]) -> None:
        images, together = Counter[str](), Counter[tuple[str, str]]()
        for names in shown.values():
            images.update(names)
            together.update(permutations(names, 2))
        used = [name for name in dict.fromkeys((*groups, *sorted(images))) if name in images]
        alike: dict[str, set[str]] = {name: set() for name in used}
        wider: dict[str, set[str]] = {name: set() for name in used}
        for pair, count in together.items():
            if count >= OFTEN_TOGETHER * images[pair[0]]:
                alike[pair[0]].add(pair[1])
        stated = {groups.get(name, "") for name in used} - {""}
        for members in _families(used, lambda name: groups.get(name, "") if len(stated) > 1 else ""):
            _join(alike, members)
        for members in _families(used, head_noun):
            _join(alike, members)
            for name in members:
                words = set(name.lower().split())
                wider[name] |= {other for other in members if set(other.lower().split()) < words}
        for members in _families(used, lambda name: plural(name).lower()):
            _join(wider, members)
        for name in used:
            group = groups.get(name, "").lower()
            wider[name] |= {other for other in used if other.lower() == group}
        self.alike = {name: frozenset(others - {name}) for name, others in alike.items()}
        self.wider = {name: frozenset(others - {name}) for name, others in wider.items()}


def _families(names: Iterable[str], key: Callable[[str], str]) -> list[set[str]]:
    """The names in sets of equal, non-empty keys."""
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(key(name), set()).add(name)
    return [members for value, members in found.items() if value]


def _join(relation: dict[str, set[str]], members: set[str]) -> None:
    for name in members:
        relation[name] |= members
