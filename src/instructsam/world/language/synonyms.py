"""Synonyms for kinds, families and attributes; none of them names two of the world's kinds.

`KIND_SYNONYMS`, `FAMILY_SYNONYMS` and `COLOR_WORDS` leave out the name itself; `SIZE_WORDS` and `PATTERN_WORDS`
begin with it. All nouns are in the singular; `PLURALS` has those that do not follow the rule. Adjectives stand
before a noun, so "with stripes" is not one. Families without a simple English noun are in `lexicon`.
"""

from __future__ import annotations

KIND_SYNONYMS: dict[str, tuple[str, ...]] = {
    "mug": ("cup", "coffee mug"),
    "glass": ("tumbler", "drinking glass"),
    "teapot": ("tea pot",),
    "knife": ("table knife",),
    "car": ("automobile", "motor car"),
    "bus": ("coach",),
    "sailboat": ("sailing boat", "boat"),
    "airplane": ("aeroplane", "plane", "aircraft"),
    "cat": ("kitty",),
    "teddy bear": ("teddy", "toy bear", "stuffed bear"),
    "saw": ("handsaw", "hand saw"),
    "shoe": ("trainer", "sneaker"),
    "shirt": ("t-shirt", "tee shirt"),
    "umbrella": ("brolly",),
    "lamp": ("table lamp",),
    "flower": ("bloom",),
    "castle": ("fortress",),
}
FAMILY_SYNONYMS: dict[str, tuple[str, ...]] = {
    "animal": ("creature", "critter"),
    "toy": ("plaything",),
}
PLURALS: dict[str, str] = {
    "aircraft": "aircraft",
    "cactus": "cacti",
    "fish": "fish",
    "knife": "knives",
    "table knife": "table knives",
}
COLOR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("scarlet",),
    "purple": ("violet",),
    "pink": ("rosy",),
}
SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium", "medium-sized", "mid-sized", "middle-sized"),
    "large": ("large", "big", "huge"),
}
PATTERN_WORDS: dict[str, tuple[str, ...]] = {
    "plain": ("plain", "unpatterned"),
    "striped": ("striped", "stripy", "stripey"),
    "dotted": ("dotted", "spotted", "polka-dot"),
}
