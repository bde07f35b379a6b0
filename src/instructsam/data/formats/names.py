"""Names of categories as a person says them, and of their pictures' files, as each COCO-like data set writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from instructsam.data.formats.source import Node

_TYPING_ERRORS = {"tier": "tire"}  # PartImageNet's "Car Tier" is the tire of a car


def spoken(name: str) -> str:
    """LVIS writes dining_table and "bat_(animal)": underscores are spaces."""
    return name.replace("_", " ")


def plain_name(category: Node) -> str:
    """COCO, LVIS: the name."""
    return spoken(category["name"].text())


def part_name(category: Node) -> str:
    """PACO, Pascal-Part: "mug:handle" is the handle of the mug; (meanings) in brackets are dropped in both."""
    node = category["name"]
    words = [_without_meaning(part) for part in node.text().split(":")]
    if not all(words) or len(words) > 2:
        raise node.wrong("the name of an object, or of an object and a part such as 'mug:handle'")
    return words[0] if len(words) == 1 else _part(words[0], words[1])


def super_part_name(category: Node) -> str:
    """PartImageNet: "Quadruped Head" with the supercategory "Quadruped" is the head of the quadruped."""
    name = spoken(category["name"].text()).lower()
    group = category.get("supercategory")
    thing = "" if group is None else spoken(group.text()).lower()
    if not thing or not name.startswith(f"{thing} "):
        thing, _, part = name.partition(" ")
    else:
        part = name[len(thing) + 1 :]
    return _part(thing, " ".join(_TYPING_ERRORS.get(word, word) for word in part.split())) if part else thing


def either_name(category: Node) -> str:
    """Objects365: "Cabinet/shelf" is a cabinet or shelf; capital letters are kept in TV and CD only."""
    options = [option.strip() for option in spoken(category["name"].text()).split("/")]
    words = [option if option.isupper() else option.lower() for option in options if option]
    return " or ".join(words) or category["name"].text()


def _part(thing: str, part: str) -> str:
    return f"the {part} of the {thing}"


def _without_meaning(name: str) -> str:
    return " ".join(re.sub(r"\([^)]*\)", " ", spoken(name)).split())


def same_file(name: str) -> str:
    """The path that the annotations state."""
    return name


def synset_file(name: str) -> str:
    """ImageNet: n01440764_10026.JPEG lies in the folder of its synset."""
    synset = name.split("_", 1)[0]
    return name if "/" in name or not re.fullmatch(r"n\d{8}", synset) else f"{synset}/{name}"


def patch_file(name: str) -> str:
    """Objects365: images/v1/patch8/objects365_v1_00420917.jpg is unpacked to patch8/objects365_v1_00420917.jpg."""
    return "/".join(name.split("/")[-2:])


@dataclass(frozen=True)
class CocoStyle:
    """The particulars of a COCO-like data set.

    Attributes:
        name: a category as a person says it.
        file: a picture's file relative to the set's image folder, from its name in the annotations.
        boxes: whether the box of an object is used where it has no mask.
    """

    name: Callable[[Node], str] = plain_name
    file: Callable[[str], str] = same_file
    boxes: bool = False


COCO = CocoStyle()
PARTS = CocoStyle(part_name)
PART_IMAGE_NET = CocoStyle(super_part_name, synset_file)
OBJECTS365 = CocoStyle(either_name, patch_file, boxes=True)
