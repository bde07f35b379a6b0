"""Instructions for categories: a category's name in one of a few neutral wordings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from string import Formatter

from instructsam.errors import ConfigError

DEFAULT_TEMPLATES = (
    "{category}",
    "all {plural}",
    "every {category}",
    "every {category} in the picture",
    "segment the {plural}",
)
NAME_ALONE = ("{category}",)
CATEGORY, PLURAL = "category", "plural"
_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "die": "dice",
    "cactus": "cacti",
    "knife": "knives",
    "leaf": "leaves",
    "shelf": "shelves",
    "loaf": "loaves",
    "wolf": "wolves",
    "scarf": "scarves",
    "calf": "calves",
    "half": "halves",
    "wife": "wives",
    "thief": "thieves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "aircraft": "aircraft",
    "people": "people",
    "men": "men",
    "women": "women",
    "children": "children",
    "cattle": "cattle",
    "series": "series",
    "skis": "skis",
    "species": "species",
}
_ES = ("s", "x", "z", "ch", "sh")
_SINGULAR_ENDS = ("ss", "us", "is", "as", "os")  # glass, bus, iris, gas, rhinoceros: not plurals


def check_templates(templates: Sequence[str], key: str) -> None:
    """Check that every template has a place for the category.

    Raises:
        ConfigError: one has none, or has another field.
    """
    for template in templates:
        try:
            fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
        except ValueError:
            fields = set()
        if not fields or fields - {CATEGORY, PLURAL}:
            raise ConfigError(
                f"{key} must be texts with {{category}} or {{plural}} in them, such as 'every {{category}}', got "
                f"{template!r:.80}"
            )


class Wording:
    """The instruction for a category in an image: one template, a pure function of seed, image and category.

    Args:
        templates: texts with `{category}` or `{plural}`.
        seed: another seed makes other choices.
        categories: of the whole source. If one of them has letters that English lacks, all are used by name alone.
    """

    def __init__(self, templates: Sequence[str], seed: int, categories: Iterable[str]) -> None:
        self.templates = tuple(templates)
        self.seed = seed
        self.english = all(name.isascii() for name in categories)

    def instruction(self, image: str, category: str) -> str:
        """The instruction; the name alone where no template suits it."""
        suitable = self._suitable(category)
        if not suitable:
            return category
        key = f"{self.seed}\0{image}\0{category}".encode(errors="surrogatepass")
        chosen = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % len(suitable)
        return suitable[chosen].format(category=category, plural=plural(category))

    def _suitable(self, category: str) -> tuple[str, ...]:
        if self.templates != DEFAULT_TEMPLATES:
            return self.templates
        if not self.english or not is_words(category):
            return ()
        if is_plural(category):  # "every scissors" is no English
            return tuple(template for template in self.templates if f"{{{PLURAL}}}" in template)
        return self.templates


def is_words(name: str) -> bool:
    """Whether a name consists of words, unlike "class_0", "A320" and "PVC"."""
    letters = name.replace(" ", "").replace("-", "").replace("'", "")
    return letters.isalpha() and not (letters.isupper() and len(letters) > 1) and len(letters) > 1


def is_plural(name: str) -> bool:
    """Whether a name has no singular of its own, such as "scissors" and "people"."""
    last = _parts(name)[1].lower()
    if last in _IRREGULAR:
        return _IRREGULAR[last] == last
    return last.endswith("s") and not last.endswith(_SINGULAR_ENDS)


def plural(name: str) -> str:
    """The English plural of a noun phrase: "dining table" -> "dining tables", "cup of tea" -> "cups of tea"."""
    before, noun, after = _parts(name)
    return f"{before}{_plural_noun(noun)}{after}"


def head_noun(name: str) -> str:
    """The noun that the other words describe: "table" of "dining table", "cup" of "cup of tea"."""
    return _parts(name)[1].lower()


def _parts(name: str) -> tuple[str, str, str]:
    """(what stands before the head noun, the head noun, what follows it)"""
    head, of, rest = name.partition(" of ")
    before, space, noun = head.rpartition(" ")
    return before + space, noun, of + rest


def _plural_noun(noun: str) -> str:
    lower = noun.lower()
    if lower in _IRREGULAR:
        return (
            noun[:1] + _IRREGULAR[lower][1:]
            if noun[:1].lower() == _IRREGULAR[lower][:1]
            else _IRREGULAR[lower]
        )
    if is_plural(noun):
        return noun
    if lower.endswith(_ES):
        return noun + "es"
    if lower.endswith("y") and lower[-2:-1] not in ("", *"aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"
