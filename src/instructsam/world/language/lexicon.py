"""The world's lexicon: nouns for its kinds and families, and words for sizes, places and relations.

The first noun of a kind or family is its canonical name, the one that phrases use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from instructsam.world.language.synonyms import FAMILY_SYNONYMS, KIND_SYNONYMS, PLURALS
from instructsam.world.scenes.scene import FAMILIES, KINDS

_VOWEL_SOUND = re.compile(
    r"(?!uni[cfv]|uku|eu|use|one\b)[aeiouAEIO]|hour|honest|heir|[FHLMNRSX](?:[A-Z\d]|-[a-z])"
)


@dataclass(frozen=True)
class Noun:
    """One noun; `takes_is` for plurals that take a singular verb ("the fruit is")."""

    one: str
    many: str
    takes_is: bool = False

    @property
    def countable(self) -> bool:
        """Whether "three of it" is English: not "three furniture", nor "three clothes"."""
        return not self.takes_is and self.many != "clothes"


def plural(noun: str) -> str:
    """Regular English plural of a noun or of a noun group's last word."""
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def indefinite(words: str) -> str:
    """The words with "a" or "an" before them."""
    return f"{'an' if _VOWEL_SOUND.match(words) else 'a'} {words}"


def _noun(word: str) -> Noun:
    return Noun(word, PLURALS.get(word) or plural(word))


KIND_NOUNS: dict[str, tuple[Noun, ...]] = {
    kind: tuple(_noun(word) for word in (kind, *KIND_SYNONYMS.get(kind, ()))) for kind in KINDS
}
_FAMILY_NOUNS: dict[str, tuple[Noun, ...]] = {
    "fruit": (
        Noun("fruit", "fruits"),
        Noun("piece of fruit", "pieces of fruit"),
        Noun("fruit", "fruit", takes_is=True),
    ),
    "drinkware": (
        Noun("drink container", "drink containers"),
        Noun("piece of drinkware", "pieces of drinkware"),
        Noun("drinking vessel", "drinking vessels"),
        Noun("piece of drinkware", "drinkware", takes_is=True),
    ),
    "cutlery": (
        Noun("piece of cutlery", "pieces of cutlery"),
        Noun("piece of silverware", "pieces of silverware"),
        Noun("eating utensil", "eating utensils"),
        Noun("piece of cutlery", "cutlery", takes_is=True),
    ),
    "clothes": (
        Noun("piece of clothing", "pieces of clothing"),
        Noun("item of clothing", "items of clothing"),
        Noun("piece of clothing", "clothes"),
        Noun("garment", "garments"),
    ),
    "furniture": (
        Noun("piece of furniture", "pieces of furniture"),
        Noun("item of furniture", "items of furniture"),
        Noun("piece of furniture", "furniture", takes_is=True),
    ),
}
FAMILY_NOUNS: dict[str, tuple[Noun, ...]] = {
    family: _FAMILY_NOUNS.get(family) or tuple(_noun(w) for w in (family, *FAMILY_SYNONYMS.get(family, ())))
    for family in FAMILIES
}


def plural_name(name: str) -> str:
    """The canonical plural of a kind or a family that a number can stand before: "mugs", "pieces of cutlery"."""
    if name in KIND_NOUNS:
        return KIND_NOUNS[name][0].many
    nouns = [noun for noun in FAMILY_NOUNS[name] if noun.countable]
    return next((noun.many for noun in nouns if name in noun.many), nouns[0].many)


THING_NOUNS: tuple[Noun, ...] = (Noun("thing", "things"), Noun("object", "objects"), Noun("item", "items"))
ONE_NOUN = Noun("one", "ones")
EXTREME_WORDS: dict[str, tuple[str, ...]] = {
    "largest": ("largest", "biggest"),
    "smallest": ("smallest", "tiniest"),
}
ORDINALS: tuple[str, ...] = ("first", "second", "third", "fourth", "fifth", "sixth")
ORDINAL_NUMBERS: tuple[str, ...] = ("1st", "2nd", "3rd", "4th", "5th", "6th")
NUMBERS: tuple[str, ...] = ("one", "two", "three", "four", "five", "six", "seven", "eight")
Swaps = dict[str | int, tuple[str, ...]]
"""Value -> its words; the word at the same place of another value makes another true sentence of it."""
COUNT_SWAPS: tuple[Swaps, ...] = ({count: (word,) for count, word in enumerate(NUMBERS, 1) if count >= 2},)
PICTURE_WORDS: tuple[str, ...] = ("picture", "image", "photo", "scene")
SIDE_MOST: dict[str, tuple[str, ...]] = {
    "left": ("leftmost",),
    "right": ("rightmost",),
    "top": ("topmost", "highest", "uppermost"),
    "bottom": ("lowest", "bottommost"),
}
SIDE_FURTHEST: dict[str, tuple[str, ...]] = {
    "left": ("furthest to the left", "furthest left", "farthest to the left"),
    "right": ("furthest to the right", "furthest right", "farthest to the right"),
    "top": ("furthest up", "nearest the top"),
    "bottom": ("furthest down", "nearest the bottom"),
}
SIDE_HALF: dict[str, tuple[str, ...]] = {
    "left": ("left half", "left-hand half", "left part", "left-hand side", "left side"),
    "right": ("right half", "right-hand half", "right part", "right-hand side", "right side"),
    "top": ("top half", "upper half", "upper part", "top part"),
    "bottom": ("bottom half", "lower half", "lower part", "bottom part"),
}
RELATION_WORDS: dict[str, tuple[str, ...]] = {
    "left_of": ("left of", "to the left of", "on the left of", "further left than", "farther left than"),
    "right_of": (
        "right of",
        "to the right of",
        "on the right of",
        "further right than",
        "farther right than",
    ),
    "above": ("above", "higher up than", "higher than", "further up than"),
    "below": ("below", "lower than", "lower down than", "further down than"),
}
SHELF_WORDS: dict[str, tuple[str, ...]] = {
    "top": ("top shelf", "upper shelf", "uppermost shelf", "highest shelf"),
    "middle": ("middle shelf", "shelf in the middle"),
    "bottom": ("bottom shelf", "lower shelf", "lowest shelf"),
}
NEAREST_WORDS: tuple[str, ...] = ("nearest to", "closest to", "nearest")
SAME_WORDS: dict[str, tuple[str, ...]] = {
    "color": ("the same colour as", "the same color as", "of the same colour as", "coloured like"),
    "pattern": ("patterned like", "patterned the same way as", "patterned just like"),
    "size": ("the same size as", "of the same size as", "as big as"),
    "kind": ("the same kind of thing as", "of the same kind as", "the same sort of thing as"),
}
COMPARE_WORDS: dict[str, tuple[str, ...]] = {
    "larger": ("larger than", "bigger than"),
    "smaller": ("smaller than", "not as big as"),
}
