"""From the log of a labelled folder to its files: exports, review page, summary, and the list of skipped images.

One pass over the images, one at a time; no model is needed. No torch.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from instructsam.errors import InputError
from instructsam.exports.export_call import open_exports
from instructsam.exports.names import UniqueNames
from instructsam.exports.registry import FORMATS, find_format
from instructsam.inference.answer_log import AnswerLog, Content, Key
from instructsam.inference.image_list import FoundImage
from instructsam.labelling.classes import ClassList
from instructsam.labelling.doubt import doubt_of
from instructsam.labelling.review import FOLDER_NAME, PAGE_NAME, ReviewWriter
from instructsam.labelling.run import stored_content
from instructsam.labelling.selection import SelectedImage, Selection, select
from instructsam.labelling.summary import Summary
from instructsam.labelling.thumbnails import Thumbnails
from instructsam.structures.files import write_text

SUMMARY_NAME, SKIPPED_NAME = "summary.json", "skipped.jsonl"
LOW_SCORE_MARGIN = 0.2  # above the threshold


@dataclass(frozen=True)
class OutputSettings:
    """The files of a labelled folder; changing them needs no model.

    Attributes:
        formats: of `instructsam.exports`.
        options: of these formats.
        selection: the instances that are exported.
        low_score: scores below it are low; None: 0.2 above the lowest possible score.
        review: whether to write the review page.
    """

    formats: tuple[str, ...] = ("coco",)
    options: Mapping[str, Any] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    low_score: float | None = None
    review: bool = True

    def names(self) -> tuple[str, ...]:
        """The files and folders that are written."""
        review = (PAGE_NAME, FOLDER_NAME) if self.review else ()
        exports = (find_format(name).default_name for name in self.formats)
        return (*exports, *review, SUMMARY_NAME, SKIPPED_NAME)


@dataclass(frozen=True)
class Skipped:
    """An image that has no labels, and why: `failed`, `duplicate` or `folder` (one that cannot be listed)."""

    image: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Outputs:
    """The files that were written.

    Attributes:
        summary: counts.
        paths: by name of the format, `review` and `skipped`.
        notes: losses of the exports.
    """

    summary: Summary
    paths: dict[str, Path]
    notes: tuple[str, ...] = ()


def check_outputs(settings: OutputSettings, folder: Path, is_new: bool) -> None:
    """Check the options, and that no file of somebody else is replaced, before anything slow starts.

    Args:
        settings: of the files.
        folder: the output folder.
        is_new: whether it has no log of an earlier run.

    Raises:
        InputError: an option or format cannot be used, or a file exists already.
        MissingExtraError: the library of a format is not installed.
    """
    taken = [name for name in settings.names() if is_new and os.path.lexists(folder / name)]
    if taken:
        raise InputError(
            f"{folder / taken[0]} exists, and {folder} has no answers of an earlier run: choose another --out, or add "
            "--overwrite to replace it"
        )
    open_exports(settings.formats, folder, settings.options).abandon()


def remove_leftovers(folder: Path) -> None:
    """Remove half-written files and folders of a run that was killed; the caller holds the lock of the folder."""
    for place in (folder, folder / FOLDER_NAME):
        for path in [*place.glob(".writing-*"), *place.glob(".replaced-*")]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def lowest_score(header: Mapping[str, Any], selection: Selection) -> float:
    """The lowest score that an exported instance can have.

    Raises:
        InputError: the selection goes below the threshold of the stored answers.
    """
    threshold = float(header.get("settings", {}).get("score_threshold", 0.0))
    wanted = threshold if selection.min_score is None else selection.min_score
    if wanted < threshold:
        raise InputError(
            f"--min-score is {wanted}, but answers are stored from the score {threshold} on: add "
            f"--score-threshold {wanted}, and --overwrite if there are answers already"
        )
    return wanted


def write_outputs(
    log: AnswerLog,
    images: Iterable[FoundImage],
    classes: ClassList,
    settings: OutputSettings,
    thumbnails: Thumbnails,
    skipped: Sequence[Skipped],
) -> Outputs:
    """Write everything except the summary; images without all answers are left out.

    Raises:
        InputError: a file cannot be written, or a stored answer is damaged.
    """
    threshold = lowest_score(log.header, settings.selection)
    low = min(1.0, threshold + LOW_SCORE_MARGIN) if settings.low_score is None else settings.low_score
    summary = Summary.of(classes.classes, threshold, low)
    with ExitStack() as stack:
        exports = open_exports(settings.formats, log.folder, settings.options)
        review = None
        if settings.review:
            review = stack.enter_context(ReviewWriter(log.folder, classes.classes, thumbnails))
        with exports:
            for content, image in _selected(log, images, classes, settings.selection):
                doubt = doubt_of(image, threshold, low)
                summary.add(image)
                exports.add(image.labelled())
                if review is not None:
                    review.add(image, content, doubt)
        report = exports.report()
        paths = dict(report.paths)
        if review is not None:
            paths["review"] = review.write(summary)
    lines = (json.dumps(asdict(entry)) + "\n" for entry in skipped)
    paths["skipped"] = log.folder / SKIPPED_NAME
    write_text(paths["skipped"], "".join(lines))
    return Outputs(summary, paths, (*report.notes, *_outdated(log.folder, settings)))


def _outdated(folder: Path, settings: OutputSettings) -> list[str]:
    """Notes on exports of earlier commands, which may have had other options."""
    others = {entry.default_name for entry in FORMATS.values() if entry.name not in settings.formats}
    return [
        f"{name}: written by an earlier command; name its format to write it again"
        for name in sorted(others - {""})
        if os.path.lexists(folder / name)
    ]


def _selected(
    log: AnswerLog, images: Iterable[FoundImage], classes: ClassList, selection: Selection
) -> Iterator[tuple[Content, SelectedImage]]:
    names = UniqueNames()
    for image in images:
        content = stored_content(log, image)
        if content is None:
            continue
        keys = [Key(image.name, content.hash, text) for text in classes.instructions]
        if all(key in log for key in keys):
            answers = [log.fields(key) for key in keys]
            yield content, select(names.name(image.name), image.path, answers, classes.labels, selection)
