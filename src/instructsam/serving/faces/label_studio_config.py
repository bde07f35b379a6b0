"""The labelling interface of a project of Label Studio: where its image is, and which regions it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree import ElementTree

from instructsam.exports.label_studio_regions import LABEL_TAGS, RegionKind
from instructsam.serving.errors import RequestError
from instructsam.structures.checks import shorten

LONGEST = 500_000  # characters
_KINDS: tuple[RegionKind, ...] = (
    "brush",
    "bitmask",
    "polygon",
    "rectangle",
)  # the first that the interface has
_DECLARATION = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
Labels: TypeAlias = "dict[str, str]"


@dataclass(frozen=True)
class Interface:
    """The parts of an interface that a prediction needs.

    Attributes:
        image: name of the Image tag.
        field: of a task's data that holds the image's address.
        kind: of the regions.
        control: name of the tag that takes them.
        labels: instruction of each label: its attribute `instruction`, else the label itself.
    """

    image: str
    field: str
    kind: RegionKind
    control: str
    labels: Labels


def parse_interface(text: str) -> Interface:
    """The interface of an XML text.

    Raises:
        RequestError: it is not XML, is too long, declares entities, or has no image with a control for regions.
    """
    if len(text) > LONGEST:
        raise RequestError(f"the labelling interface must have at most {LONGEST} characters, got {len(text)}")
    if _DECLARATION.search(text):
        raise RequestError("the labelling interface must not declare document types or entities")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise RequestError(f"the labelling interface is not XML ({error})") from error
    except RecursionError as error:
        raise RequestError("the labelling interface is nested too deeply") from error
    images = {tag.get("name", ""): tag for tag in root.iter("Image")}
    for kind in _KINDS:
        for tag in root.iter(LABEL_TAGS[kind]):
            for name in tag.get("toName", "").split(","):
                if name in images:
                    return _interface(kind, tag, images[name])
    wanted = ", ".join(LABEL_TAGS[kind] for kind in _KINDS)
    raise RequestError(f"the labelling interface needs an Image tag, and for it one of {wanted}")


def _interface(kind: RegionKind, control: ElementTree.Element, image: ElementTree.Element) -> Interface:
    field = image.get("value", "")
    if not field.startswith("$") or len(field) < 2:
        raise RequestError(f"the value of the Image tag must be a field such as $image, got {shorten(field)}")
    labels: Labels = {}
    for tag in control.iter("Label"):
        name = tag.get("alias") or tag.get("value") or ""
        if name.strip():
            labels[name] = (tag.get("instruction") or name).strip() or name
    if not labels:
        raise RequestError(f"{control.tag} needs at least one Label with a value")
    return Interface(image.get("name", ""), field[1:], kind, control.get("name", ""), labels)
