"""Exports of `instructsam segment`: written from its log when all answers are there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from instructsam.cli import console
from instructsam.errors import InputError
from instructsam.exports.export_call import export_all, open_exports
from instructsam.exports.labelled_image import LabelledImage
from instructsam.exports.names import UniqueNames
from instructsam.exports.registry import find_format
from instructsam.inference.answer_log import AnswerLog, Key

LabelSource = Literal["phrases", "instructions"]


@dataclass(frozen=True)
class ExportSettings:
    """Exports beside predictions.json.

    Attributes:
        formats: names; none for no export.
        options: of the formats.
        labels: categories of the instances.
    """

    formats: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: LabelSource = "phrases"

    def check(self, log: AnswerLog, overwrite: bool) -> None:
        """Check formats, options and destinations, before anything slow starts.

        Raises:
            InputError: a format or option cannot be used, or a file of somebody else is in the way.
        """
        if not self.formats:
            return
        open_exports(self.formats, log.folder, self.options).abandon()
        for name in self.formats:
            target = log.folder / find_format(name).default_name
            if not log.header and not overwrite and os.path.lexists(target):
                raise InputError(
                    f"{target} exists, and {log.folder} has no answers of an earlier run: choose another --out, or "
                    "add --overwrite to replace it"
                )

    def write(self, log: AnswerLog) -> None:
        """Export every answer of the log, and print the paths and the losses."""
        if not self.formats:
            return
        report = export_all(stored_images(log, self.labels), self.formats, log.folder, self.options)
        for note in report.notes:
            console.note(f"note: {note}")
        for name, path in report.paths.items():
            console.note(f"{name}: {path}")


def stored_images(log: AnswerLog, labels: LabelSource = "phrases") -> Iterator[LabelledImage]:
    """The images of a log with their newest answers, one at a time."""
    images: dict[str, list[Key]] = {}
    for key, image in log.newest():
        images.setdefault(image, []).append(key)
    names = UniqueNames()
    for image, keys in images.items():
        predictions = tuple(log.prediction(key) for key in keys)
        yield LabelledImage.merge(predictions, names.name(keys[0].name), Path(image), labels)
