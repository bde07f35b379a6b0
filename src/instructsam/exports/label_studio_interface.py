"""Labelling interfaces of Label Studio (XML), and the addresses at which it finds images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from urllib.parse import quote
from xml.etree import ElementTree

from PIL import Image

from instructsam.exports.label_studio_regions import LABEL_TAGS, RegionKind
from instructsam.visualization.palette import color_of, to_hex

IMAGE = "image"
"""Name of the Image tag, and the field of a task that it shows."""
_QUALITY = 90


def labelling_interface(labels: Sequence[str], kinds: Iterable[RegionKind], instruction: bool = False) -> str:
    """The labelling interface of an image with one control for each kind of region.

    Args:
        labels: of the regions.
        kinds: of the regions; a control is named by its kind.
        instruction: with a TextArea for the instruction, which an ML backend reads.
    """
    view = ElementTree.Element("View")
    chosen = list(kinds)
    add_image(view, pixels="bitmask" in chosen)
    if instruction:
        area = {"name": "instruction", "toName": IMAGE, "editable": "true", "maxSubmissions": "1"}
        ElementTree.SubElement(view, "TextArea", area)
    for kind in chosen:
        add_labels(view, kind, kind, [(label, to_hex(color_of(i))) for i, label in enumerate(labels)])
    return to_xml(view)


def add_image(view: ElementTree.Element, pixels: bool = False) -> None:
    """Add the image.

    Args:
        view: the interface.
        pixels: show pixels as squares, which BitmaskLabels needs.
    """
    smoothing: dict[str, str] = {"smoothing": "false"} if pixels else {}
    tag = {"name": IMAGE, "value": f"${IMAGE}", "zoom": "true", "zoomControl": "true", **smoothing}
    ElementTree.SubElement(view, "Image", tag)


def add_labels(
    view: ElementTree.Element,
    kind: RegionKind,
    name: str,
    labels: Iterable[tuple[str, str]],
    several: bool = False,
) -> None:
    """Add a control for regions.

    Args:
        view: the interface.
        kind: of the regions.
        name: of the control.
        labels: with colours as #rrggbb.
        several: a region may have more than one label.
    """
    choice: dict[str, str] = {"choice": "multiple"} if several else {}
    control = ElementTree.SubElement(view, LABEL_TAGS[kind], {"name": name, "toName": IMAGE, **choice})
    for label, colour in labels:
        ElementTree.SubElement(control, "Label", value=label, background=colour)


def to_xml(view: ElementTree.Element) -> str:
    """The text of an interface."""
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def prefixed_url(prefix: str, file: str) -> str:
    """The address of an image below a prefix: "https://example.org/images", "s3://bucket/images".

    Args:
        prefix: with or without a slash at its end.
        file: path of the image, with forward slashes.
    """
    return f"{prefix.rstrip('/')}/{quote(file)}"


def local_file_url(folder: str, file: str) -> str:
    """The address of a file that Label Studio serves from its document root.

    Args:
        folder: of the images, relative to the root.
        file: path of the image, relative to `folder`.
    """
    start = f"{folder.strip('/')}/" if folder.strip("/") else ""
    return f"/data/local-files/?d={quote(start + file)}"


def embedded_url(image: Image.Image) -> str:
    """The image itself as an address, for a few small images."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
