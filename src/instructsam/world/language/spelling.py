"""British and American spelling of the same words."""

from __future__ import annotations

import re
from typing import Literal, get_args

Spelling = Literal["british", "american"]
SPELLINGS: tuple[Spelling, ...] = get_args(Spelling)
_AMERICAN: dict[str, str] = {
    "apologis": "apologiz",
    "armour": "armor",
    "behaviour": "behavior",
    "centred": "centered",
    "centre": "center",
    "colour": "color",
    "cosy": "cozy",
    "favour": "favor",
    "flavour": "flavor",
    "grey": "gray",
    "harbour": "harbor",
    "honour": "honor",
    "humour": "humor",
    "jewellery": "jewelry",
    "labelled": "labeled",
    "labelling": "labeling",
    "moustache": "mustache",
    "neighbour": "neighbor",
    "organis": "organiz",
    "pyjama": "pajama",
    "recognis": "recogniz",
    "rumour": "rumor",
    "theatre": "theater",
    "travelled": "traveled",
    "traveller": "traveler",
    "travelling": "traveling",
    "yoghurt": "yogurt",
}
"""Beginnings of British words -> of the same words in American spelling; a longer one comes first."""
_BRITISH = {american: british for british, american in _AMERICAN.items()}
_STEMS = {"british": _BRITISH, "american": _AMERICAN}
_FOUND = {
    spelling: re.compile(rf"(?<![A-Za-z])(un|multi)?({'|'.join(stems)})(?!hound)", re.IGNORECASE)
    for spelling, stems in _STEMS.items()
}


def spelled(text: str, spelling: Spelling) -> str:
    """The text with its words in British or American spelling: "colour" or "color"; upper case is kept."""

    def respelled(found: re.Match[str]) -> str:
        stem = _STEMS[spelling][found[2].lower()]
        return (found[1] or "") + (stem.capitalize() if found[2][0].isupper() else stem)

    return _FOUND[spelling].sub(respelled, text)
