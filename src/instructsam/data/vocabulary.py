"""The categories of an exhaustively annotated source: which images show them, and which are alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import permutations

from instructsam.data.record import Record
from instructsam.data.templates import head_noun, plural

_WORD = re.compile(r"\w+")
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
        return tuple(self._related.used)

    def absent(self, image: str) -> tuple[str, ...]:
        """Categories that an image does not show; none for an image that is unknown.

        A category that is another word for one that the image shows is left out: "car" where it shows a "police car".
        """
        shown = self.shown.get(image)
        if shown is None:
            return ()
        related = self._related
        covered = shown.union(*map(related.wider, shown))
        return tuple(name for name in related.used if name not in covered)

    def alike(self, image: str) -> tuple[str, ...]:
        """The absent categories that are easily confused with one that the image shows.

        They share a supercategory or the head noun with it, or often appear together with it.
        """
        near = set().union(*map(self._related.alike, self.shown.get(image, ())))
        return tuple(name for name in self.absent(image) if name in near)

    @property
    def _related(self) -> _Relations:
        if self._relations is None:
            self._relations = _Relations(self.groups, self.shown)
        return self._relations


class _Relations:
    """Relations between the categories in use.

    Families are stored once, not for each of their members: referring expressions make families of thousands.

    Attributes:
        used: the categories, in their order.
    """

    def __init__(self, groups: Mapping[str, str], shown: Mapping[str, set[str]]) -> None:
        images, together = Counter[str](), Counter[tuple[str, str]]()
        for names in shown.values():
            images.update(names)
            together.update(permutations(names, 2))
        self.used = [name for name in dict.fromkeys((*groups, *sorted(images))) if name in images]
        self._groups = groups
        self._together: dict[str, set[str]] = {}
        for (name, other), count in together.items():
            if count >= OFTEN_TOGETHER * images[name]:
                self._together.setdefault(name, set()).add(other)
        self._words = {name: frozenset(name.lower().split()) for name in self.used}
        self._by_name = _families(self.used, str.lower)
        self._by_noun = _families(self.used, head_noun)
        self._by_plural = _families(self.used, _plural_key)
        stated = {groups.get(name, "") for name in self.used} - {""}
        self._by_group = _families(self.used, lambda name: groups.get(name, "")) if len(stated) > 1 else {}

    def alike(self, name: str) -> set[str]:
        """Categories that are easily confused with one."""
        group = self._by_group.get(self._groups.get(name, ""), set())
        noun = self._by_noun.get(head_noun(name), set())
        return (self._together.get(name, set()) | group | noun) - {name}

    def wider(self, name: str) -> set[str]:
        """Categories that every thing of one also belongs to."""
        words = self._words[name]
        fewer = {other for other in self._by_noun.get(head_noun(name), ()) if self._words[other] < words}
        same = self._by_plural.get(_plural_key(name), set())
        group = self._by_name.get(self._groups.get(name, "").lower(), set())
        return (fewer | same | group) - {name}


def _plural_key(name: str) -> str:
    return plural(name).lower()


def _families(names: Iterable[str], key: Callable[[str], str]) -> dict[str, set[str]]:
    """The names by their key, without those whose key is empty."""
    found: dict[str, set[str]] = {}
    for name in names:
        if value := key(name):
            found.setdefault(value, set()).add(name)
    return found


def named_in(text: str, names: Iterable[str]) -> list[str]:
    """The names that stand in a text as words, also in the plural."""
    words = _as_words(text)
    return [name for name in names if _as_words(name) in words or _as_words(plural(name)) in words]


def _as_words(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.lower()))} "
