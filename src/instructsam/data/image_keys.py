"""Identifiers in the file names of published collections: one picture has one, whatever set and folder lists it."""

from __future__ import annotations

import re
from typing import NamedTuple

_COCO = re.compile(r"COCO_(?:train|val|test)20\d\d_(\d{12})")
_TWELVE_DIGITS = re.compile(r"\d{12}")
_COCO_FOLDER = re.compile(r"(?:train|val|test|unlabeled)20(?:14|15|17)|(?:ms)?coco(?:20\d\d)?", re.IGNORECASE)
_SAIAPR = re.compile(r"saiapr_tc-?12", re.IGNORECASE)
_NAMES = {
    "sa1b": re.compile(r"sa_(\d+)"),
    "objects365": re.compile(r"objects365_v\d_(\d+)"),
    "imagenet": re.compile(r"(n\d{8}_\d+)"),
    "voc": re.compile(r"((?:2007|2008|2009|2010|2011|2012)_\d{6})"),
}


class ImageKey(NamedTuple):
    """A picture's identifier in its collection."""

    collection: str
    name: str


def image_key(file: str) -> ImageKey | None:
    """The identifier that a file's name and folders give; None for a name that follows no known convention.

    COCO's pictures keep their number in all years: COCO_train2014_000000000123.jpg is train2017/000000000123.jpg.
    Twelve digits alone mean COCO only in one of its folders.
    """
    *folders, name = file.split("/")
    stem = name.rsplit(".", 1)[0]
    if found := _COCO.match(stem):  # REFER appends the annotation: COCO_train2014_000000000123_4.jpg
        return ImageKey("coco", str(int(found[1])))
    if _TWELVE_DIGITS.fullmatch(stem) and any(_COCO_FOLDER.fullmatch(folder) for folder in folders):
        return ImageKey("coco", str(int(stem)))
    if stem.isdecimal() and any(_SAIAPR.fullmatch(folder) for folder in folders):
        return ImageKey("saiapr", str(int(stem)))
    for collection, pattern in _NAMES.items():
        if found := pattern.fullmatch(stem):
            return ImageKey(collection, found[1])
    return None
