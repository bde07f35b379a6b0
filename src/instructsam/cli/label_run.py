"""Runs a `label` command: answers every image, then writes the files of the output folder."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from instructsam import __version__
from instructsam.cli import console
from instructsam.cli.options import Opening
from instructsam.cli.progress import counter
from instructsam.errors import InputError
from instructsam.exports.registry import FORMATS
from instructsam.inference.answer_log import AnswerLog
from instructsam.inference.image_list import FoundImage, FoundImages, count_text, find_images
from instructsam.inference.run_requests import Failure, RunSettings
from instructsam.labelling.answerer import Answerer
from instructsam.labelling.classes import ClassList
from instructsam.labelling.outputs import (
    SUMMARY_NAME,
    Outputs,
    OutputSettings,
    Skipped,
    check_outputs,
    lowest_score,
    remove_leftovers,
    write_outputs,
)
from instructsam.labelling.review import FOLDER_NAME
from instructsam.labelling.run import LabelRun
from instructsam.labelling.thumbnails import Thumbnails
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import write_json

_SHOWN_FAILURES = 20


@dataclass(frozen=True)
class LabelCommand:
    """A parsed `label` command."""

    images: tuple[Path, ...]
    classes: ClassList
    out: Path
    openings: tuple[Opening, ...]
    run: RunSettings
    outputs: OutputSettings
    batch_size: int = 16
    recursive: bool = False
    stop_on_error: bool = False
    overwrite: bool = False
    as_json: bool = False

    def settings(self) -> RunSettings:
        """The settings of the log; the classes are not among them, so that a class can be added later."""
        facts = {"model": self.openings[0].model or "default", "command": console.command_line()}
        return replace(self.run, facts=facts)


@dataclass
class Progress:
    """Counts of the run so far."""

    new: int = 0
    stored: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """Images and folders that could not be read."""
        return sum(entry.kind != "duplicate" for entry in self.skipped)


def label_folder(command: LabelCommand) -> int:
    """Label the images and write all files; returns the exit code."""
    folder = prepare_folder(command.out)
    found = find_images(command.images, command.recursive, folder)
    images = _without_outputs(found, folder)
    for remark in command.classes.notes:
        console.note(f"note: {remark}")
    progress = Progress(skipped=_skipped(found))
    thumbnails = Thumbnails(folder / FOLDER_NAME / "thumbnails")
    with AnswerLog(folder, command.overwrite) as log:
        log.require(command.settings().known(), __version__)
        for remark in log.notes:
            console.note(f"note: {remark}")
        remove_leftovers(folder)
        check_outputs(command.outputs, folder, is_new=not log.header and not command.overwrite)
        with console.stdout_reserved(command.as_json):
            complete = False
            try:
                _answer(command, log, images, thumbnails, progress)
                complete = True
            finally:
                if not complete and len(log):
                    console.note(f"{log.path}: {len(log)} answers are stored; repeat the command to resume")
            outputs = write_outputs(
                log, images, command.classes, command.outputs, thumbnails, progress.skipped
            )
        document = _document(command, log, outputs, progress)
        write_json(folder / SUMMARY_NAME, document)
    _show(outputs, progress, folder) if not command.as_json else console.print_json(document)
    return _exit_code(progress, len(images) + len(found.dangling))


def _answer(
    command: LabelCommand,
    log: AnswerLog,
    images: Sequence[FoundImage],
    thumbnails: Thumbnails,
    progress: Progress,
) -> None:
    settings = command.settings()
    answerers = [
        Answerer(opening.open, settings, command.batch_size, hashed=True) for opening in command.openings
    ]
    keep = thumbnails.keep if command.outputs.review else None
    run = LabelRun(answerers, log, images, command.classes.instructions, keep)
    if len(log):
        console.note(f"{log.folder}: {len(log)} answers are stored, the run resumes")
    start = time.monotonic()
    checked = False
    with counter("images", shown=len(images) > 1) as advance:
        advance.expect(len(images))
        for number, item in enumerate(run.run(), start=1):
            if not checked and log.header:
                lowest_score(log.header, command.outputs.selection)
                checked = True
            if isinstance(item, Failure):
                if command.stop_on_error:
                    raise InputError(f"{item.error}; the run stopped there (--on-error stop)")
                progress.skipped.append(Skipped(str(item.image), "failed", item.error))
            elif item.new:
                progress.new += 1
                advance(number)
            else:  # does not count for the speed
                progress.stored += 1
    progress.seconds = time.monotonic() - start


def _without_outputs(found: FoundImages, folder: Path) -> list[FoundImage]:
    """The images that are no thumbnail or export of an earlier run; the others are counted in `found.own`."""
    names = {FOLDER_NAME, *(entry.default_name for entry in FORMATS.values() if entry.writes == "folder")}
    own = tuple(os.path.join(os.path.realpath(folder / name), "") for name in names)
    images = [image for image in found.found if not os.path.realpath(image.path).startswith(own)]
    found.own += len(found.found) - len(images)
    return images


def _skipped(found: FoundImages) -> list[Skipped]:
    """Duplicates, dangling links and folders that cannot be listed; other remarks are printed."""
    if found.skipped:
        console.note(f"{count_text(found.skipped)} images in subfolders are skipped: add --recursive")
    if found.own:
        console.note(f"{found.own} images of earlier results are skipped")
    if found.repeated:
        console.note(f"{len(found.repeated)} links or names of images that are labelled already are skipped")
    duplicates = [
        Skipped(str(path), "duplicate", f"the same file as {first}") for path, first in found.repeated
    ]
    folders = [Skipped(str(path), "folder", f"{path}: {why}") for path, why in found.unreadable]
    links = [Skipped(str(path), "failed", f"{path}: the link leads to no file") for path in found.dangling]
    return [*duplicates, *links, *folders]


def _document(command: LabelCommand, log: AnswerLog, outputs: Outputs, progress: Progress) -> dict[str, Any]:
    """The contents of summary.json."""
    selection = command.outputs.selection
    header = log.header or command.settings().header_without_model()
    kinds = [entry.kind for entry in progress.skipped]
    return {
        "run": {name: value for name, value in header.items() if name != "format"},
        "selection": {
            "min_score": selection.min_score,
            "nms": selection.nms,
            "nms_per_class": selection.nms_per_class,
            "labels": selection.labels,
        },
        **outputs.summary.to_dict(),
        "skipped": {kind: kinds.count(kind) for kind in ("failed", "duplicate", "folder")},
        "files": {name: str(path) for name, path in outputs.paths.items()},
        "notes": list(outputs.notes),
        "speed": {
            "new_images": progress.new,
            "stored_images": progress.stored,
            "seconds": round(progress.seconds, 3),
            "images_per_second": round(progress.new / progress.seconds, 3) if progress.seconds else None,
        },
    }


def _show(outputs: Outputs, progress: Progress, folder: Path) -> None:
    summary = outputs.summary
    rows = [
        (
            counts.name,
            counts.instances,
            counts.images,
            counts.no_target,
            counts.low_score,
            counts.saturated,
            counts.truncated + counts.malformed,
        )
        for counts in summary.classes
    ]
    titles = ("class", "instances", "images", "no target", "low score", "saturated", "cut replies")
    console.print_rows(titles, rows)
    console.say(
        f"{summary.images:,} images, {summary.images_without_target:,} without a target; "
        f"{summary.instances:,} instances, {summary.suppressed:,} duplicates left out"
    )
    if progress.new:
        rate = progress.new / max(progress.seconds, 1e-9)
        console.say(
            f"{progress.new:,} new images in {progress.seconds:.1f} s, {rate:.2f} a second, loading included"
        )
    for name, path in outputs.paths.items():
        console.say(f"{name}: {path}")
    console.say(f"summary: {folder / SUMMARY_NAME}")
    for remark in outputs.notes:
        console.note(f"note: {remark}")


def _exit_code(progress: Progress, images: int) -> int:
    if not progress.failed:
        return 0
    failed = [entry for entry in progress.skipped if entry.kind != "duplicate"]
    console.note(f"{progress.failed} of {images} images could not be used:")
    for entry in failed[:_SHOWN_FAILURES]:
        console.note(f"  {entry.reason}")
    if len(failed) > _SHOWN_FAILURES:
        console.note(f"  and {len(failed) - _SHOWN_FAILURES} more")
    return 1
