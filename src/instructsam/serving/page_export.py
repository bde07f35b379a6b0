"""Instances that the user of the page has kept, converted to an export format for download."""

from __future__ import annotations

import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from instructsam.exports.export_call import export_all
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.names import safe_path
from instructsam.exports.registry import FORMATS, Format, find_format
from instructsam.serving.errors import RequestError
from instructsam.serving.memory import reserve
from instructsam.serving.pictures import Picture
from instructsam.structures.instances import Instances
from instructsam.structures.masks import decode_rles, mask_boxes_xyxy
from instructsam.structures.predictions import Prediction

Text = Annotated[str, Field(max_length=4000)]


class KeptInstance(BaseModel):
    """An instance as the user left it.

    Attributes:
        label: its category.
        score: in [0, 1]; 1 for one that the user drew.
        mask: COCO run-length code at the size of the image.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Annotated[Text, Field(min_length=1)]
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    mask: dict[str, Any]


class ExportRequest(BaseModel):
    """A download.

    Attributes:
        format: a key of `FORMATS` that writes a file or a folder.
        name: file name of the image.
        instruction: of the user.
        phrases: that were looked for, with or without instances.
        instances: to be exported.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    name: Text = "image.png"
    instruction: Text = ""
    phrases: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    instances: Annotated[tuple[KeptInstance, ...], Field(max_length=2000)] = ()


@dataclass(frozen=True)
class Download:
    """A file for the user.

    Attributes:
        content: of the file; a folder becomes a ZIP archive.
        suffix: of its name.
        notes: what the format could not hold.
    """

    content: bytes
    suffix: str
    notes: tuple[str, ...]


def describe_formats() -> list[dict[str, str]]:
    """Every format with the reason why it cannot be downloaded, if there is one."""
    return [
        {"name": entry.name, "description": entry.description, "unavailable": _unavailable(entry)}
        for entry in FORMATS.values()
    ]


def convert_kept(request: ExportRequest, picture: Picture) -> Download:
    """The kept instances in their format.

    Raises:
        RequestError: the format cannot be downloaded.
        TooLargeError, BusyError: the masks do not fit into the memory of all requests.
        InputError: there is no such format, or a mask is malformed or of another size than the image.
    """
    entry = find_format(request.format)
    if reason := _unavailable(entry):
        raise RequestError(f"the format {entry.name} cannot be downloaded: {reason}")
    image = _labelled_image(request, picture)
    with tempfile.TemporaryDirectory(prefix="instructsam-") as folder:
        report = export_all([image], [entry.name], Path(folder))
        written = report.paths[entry.name]
        if written.is_dir():
            return Download(_zip(written), ".zip", report.notes)
        return Download(written.read_bytes(), written.suffix, report.notes)


def _unavailable(entry: Format) -> str:
    if entry.writes == "nothing":
        return f"in Python only, by prediction.export({entry.name!r})"
    return f"install it on the server: {entry.missing}" if entry.missing else ""


def _labelled_image(request: ExportRequest, picture: Picture) -> LabelledImage:
    height, width = picture.size
    reserve(height * width * len(request.instances))
    masks = decode_rles([one.mask for one in request.instances], (height, width), "instances")
    phrases = tuple(dict.fromkeys([*request.phrases, *(one.label for one in request.instances)]))
    instances = Instances(
        masks,
        mask_boxes_xyxy(masks),
        np.array([one.score for one in request.instances], dtype=np.float32),
        np.array([phrases.index(one.label) for one in request.instances], dtype=np.int64),
    )
    prediction = Prediction(
        instances,
        phrases,
        "",
        "ok" if len(instances) else "no_target",
        request.instruction,
        (height, width),
        picture.image.image,
        mode="phrases",
    )
    # No path: the name is that of a file on the user's machine, and is opened by no exporter.
    return LabelledImage.merge((prediction,), safe_path(request.name))


def _zip(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return content.getvalue()
