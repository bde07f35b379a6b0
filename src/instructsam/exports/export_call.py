"""`export` writes or converts predictions in one format; `export_all` writes several formats in one pass."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.exports.grouping import labelled_images
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.options import parse_options
from instructsam.exports.registry import FORMATS, Exporter, Format, find_format
from instructsam.exports.writer import Writer
from instructsam.structures.checks import check_path, describe
from instructsam.structures.predictions import Prediction


@dataclass(frozen=True)
class ExportReport:
    """The result of `export_all`.

    Attributes:
        paths: the file or folder of each format, by its name.
        images, instances: numbers of both that were exported.
        notes: what formats could not hold or left out, with counts.
    """

    paths: dict[str, Path]
    images: int
    instances: int
    notes: tuple[str, ...]


def export(
    predictions: Prediction | LabelledImage | Iterable[Prediction | LabelledImage],
    format: str,
    path: str | Path | None = None,
    *,
    labels: str | Mapping[str, str] = "phrases",
    root: str | Path | None = None,
    **options: Any,
) -> Any:
    """Write predictions to `path` in a format of another tool, or convert them in memory.

    With a path, the predictions are read one image at a time, so a generator over any number of images is fine;
    nothing appears at the path until all are written. Notes on losses are logged as warnings.

    Args:
        predictions: one, or any iterable; consecutive ones about the same image become one entry.
        format: a key of `FORMATS`, such as "coco".
        path: the file or folder; None returns an object instead.
        labels: categories of the instances: "phrases", "instructions", or a label for each instruction.
        root: folder that image names are relative to.
        options: of the format (docs/exports.md).

    Returns:
        With a path the paths written; without one the format's object.

    Raises:
        InputError: format, option or predictions cannot be used, or the path cannot be written.
        MissingExtraError: the library of the format is not installed.
    """
    chosen = find_format(format)
    exporter = chosen.load()
    parsed = parse_options(exporter.options, chosen.name, options)
    alone = isinstance(predictions, Prediction | LabelledImage)
    given: Any = [predictions] if alone else predictions
    if not isinstance(given, Iterable):
        raise InputError(
            f"predictions must be a Prediction or an iterable of them, got {describe(predictions)}"
        )
    images = labelled_images(given, labels, None if root is None else check_path(root, "root"))
    if path is None:
        return _convert(chosen, exporter, images, parsed, alone)
    with _open_writer(chosen, exporter, check_path(path, "path"), parsed) as writer:
        for image in images:
            writer.add(image)
    for note in writer.notes:
        logging.getLogger(__name__).warning("%s", note)
    return writer.close()


def export_all(
    images: Iterable[LabelledImage],
    formats: Sequence[str],
    folder: Path,
    options: Mapping[str, Any] | None = None,
) -> ExportReport:
    """Write several formats in one pass over the images, each under its default name in `folder`.

    Args:
        images: read once, one at a time.
        formats: keys of `FORMATS` that write a file or a folder.
        folder: created if needed.
        options: each is passed to the formats that know it; one that no chosen format knows is refused.

    Raises:
        InputError: as `export`. No format leaves anything when an image cannot be written in one of them.
    """
    report = open_exports(formats, folder, options)
    with report as writers:
        for image in images:
            writers.add(image)
    return writers.report()


def open_exports(
    formats: Sequence[str], folder: Path, options: Mapping[str, Any] | None = None
) -> ExportWriters:
    """`export_all` for images that are computed elsewhere: a context manager with `add`. Raises as `export_all`."""
    given = dict(options or {})
    chosen = [find_format(name) for name in dict.fromkeys(formats)]
    exporters = [entry.load() for entry in chosen]
    known = {name for exporter in exporters for name in exporter.options.model_fields}
    if unknown := [name for name in given if name not in known]:
        names = ", ".join(entry.name for entry in chosen)
        raise InputError(
            f"the formats {names} have no option {unknown[0]!r:.60}; options: {', '.join(sorted(known))}"
        )
    with ExitStack() as stack:
        writers = {}
        for entry, exporter in zip(chosen, exporters, strict=True):
            own = {name: value for name, value in given.items() if name in exporter.options.model_fields}
            parsed = parse_options(exporter.options, entry.name, own)
            writer = _open_writer(entry, exporter, folder / entry.default_name, parsed)
            stack.callback(writer.abandon)
            writers[entry.name] = writer
        return ExportWriters(writers, stack.pop_all())


class ExportWriters:
    """The open writers of several formats, as one; made by `open_exports`."""

    def __init__(self, writers: Mapping[str, Writer], abandoning: ExitStack) -> None:
        self._writers = dict(writers)
        self._abandoning = abandoning
        self._images = self._instances = 0

    def __enter__(self) -> ExportWriters:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._abandoning:
            if kind is None:
                for writer in self._writers.values():
                    writer.close()

    def abandon(self) -> None:
        """Remove what was written so far, as after an exception."""
        self._abandoning.close()
        self._writers.clear()

    def add(self, image: LabelledImage) -> None:
        """Write an image in every format. Raises InputError as `Writer.add`."""
        for writer in self._writers.values():
            writer.add(image)
        self._images += 1
        self._instances += len(image.instances)

    def report(self) -> ExportReport:
        """Paths, counts and notes."""
        paths = {name: writer.path for name, writer in self._writers.items()}
        notes = tuple(note for writer in self._writers.values() for note in writer.notes)
        return ExportReport(paths, self._images, self._instances, notes)


def _open_writer(chosen: Format, exporter: Exporter, path: Path, options: Any) -> Writer:
    if exporter.open_writer is None:
        writable = ", ".join(name for name, entry in FORMATS.items() if entry.writes != "nothing")
        raise InputError(
            f"the format {chosen.name} exists in memory only: export it without a path, or choose {writable}"
        )
    return exporter.open_writer(path, options)


def _convert(
    chosen: Format, exporter: Exporter, images: Iterable[LabelledImage], options: Any, alone: bool
) -> Any:
    if exporter.convert_image is not None and (alone or exporter.convert is None):
        found = [exporter.convert_image(image, options) for image in images]
        return found[0] if alone else found
    if exporter.convert is None:
        raise InputError(f"the format {chosen.name} is written to a {chosen.writes}: give its path")
    return exporter.convert(images, options)
