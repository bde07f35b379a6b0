"""The table of export formats. Light: a format's module and its library are imported when the format is used."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instructsam.errors import InputError

if TYPE_CHECKING:
    from instructsam.exports.options import ExportOptions
    from instructsam.exports.writer import Writer


@dataclass(frozen=True)
class Format:
    """One export format.

    Attributes:
        name: on the command line and in `export(...)`.
        module: under `instructsam.exports`.
        description: one line for help texts and tables.
        writes: what a path receives: a "file" or a "folder"; "nothing": the format exists in memory only.
        default_name: of the file or folder inside a folder with several exports.
        extra: the extra of this package that brings the format's library; empty when none is needed.
        library: the module that must be installed; empty when none is needed.
    """

    name: str
    module: str
    description: str
    writes: Literal["file", "folder", "nothing"]
    default_name: str = ""
    extra: str = ""
    library: str = ""

    @property
    def missing(self) -> str:
        """How to install the format's library; empty when it is installed or none is needed."""
        if not self.library or importlib.util.find_spec(self.library) is not None:
            return ""
        return f"pip install 'instructsam[{self.extra}]'" if self.extra else f"pip install {self.library}"

    def load(self) -> Exporter:
        """Import the format's module."""
        module = importlib.import_module(f"instructsam.exports.{self.module}")
        return Exporter(
            module.Options,
            getattr(module, "open_writer", None),
            getattr(module, "convert", None),
            getattr(module, "convert_image", None),
        )


@dataclass(frozen=True)
class Exporter:
    """The parts of a format's module. It defines `Options` and at least one of the functions.

    Attributes:
        options: `Options`, a subclass of `ExportOptions`.
        open_writer: `open_writer(path: Path, options: Options) -> Writer`. Its memory must not grow with the pixels of
            the images added.
        convert: `convert(images: Iterable[LabelledImage], options: Options) -> Any`, one object for all images.
        convert_image: `convert_image(image: LabelledImage, options: Options) -> Any`, one object per image; `export`
            returns it for a single prediction, and without `convert` a list of them for several.
    """

    options: type[ExportOptions]
    open_writer: Callable[[Path, Any], Writer] | None
    convert: Callable[..., Any] | None
    convert_image: Callable[..., Any] | None


_TABLE = (
    Format("coco", "coco", "COCO instances in one JSON file, RLE or polygons", "file", "coco.json"),
    Format("yolo", "yolo", "YOLO segmentation: data.yaml, images/ and labels/", "folder", "yolo"),
    Format("png", "png", "PNG label maps, masks or cut-outs with a JSON legend", "folder", "png"),
    Format(
        "geojson", "geojson", "GeoJSON polygons in pixels or world coordinates", "file", "predictions.geojson"
    ),
    Format(
        "label_studio", "label_studio", "Label Studio tasks with predictions", "file", "label_studio.json"
    ),
    Format("cvat", "cvat", "CVAT for images 1.1, masks or polygons", "file", "cvat.xml"),
    Format("labelme", "labelme", "LabelMe, one JSON file per image", "folder", "labelme"),
    Format(
        "supervision",
        "supervision",
        "supervision.Detections, in memory",
        "nothing",
        extra="viz",
        library="supervision",
    ),
    Format(
        "fiftyone",
        "fiftyone",
        "FiftyOne samples or data set, in memory",
        "nothing",
        extra="fiftyone",
        library="fiftyone",
    ),
    Format(
        "hugging_face",
        "hugging_face",
        "Hugging Face dataset",
        "folder",
        "hugging_face",
        extra="data",
        library="pyarrow",
    ),
)

FORMATS = {entry.name: entry for entry in _TABLE}


def find_format(name: object) -> Format:
    """The format of this name.

    Raises:
        InputError: there is none.
    """
    found = FORMATS.get(name) if isinstance(name, str) else None
    if found is None:
        raise InputError(f"the format must be one of {', '.join(FORMATS)}, got {name!r:.60}")
    return found
