"""Runs a `segment` command: computes the answers, prints them and writes the output folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instructsam import __version__
from instructsam.cli import console
from instructsam.cli.options import Opening
from instructsam.cli.progress import counter
from instructsam.cli.segment_exports import ExportSettings
from instructsam.cli.segment_request import Request
from instructsam.errors import InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.inference.answer_log import DOCUMENT_NAME, AnswerLog
from instructsam.inference.folder_run import FolderRun
from instructsam.inference.run_requests import Answer, Failure, RunSettings
from instructsam.structures.answering import Mode
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import write_text


@dataclass(frozen=True)
class Settings:
    """Options of the command that do not concern the choice of images."""

    opening: Opening = field(default_factory=Opening)
    mode: Mode = "auto"
    score_threshold: float | None = None
    out: Path | None = None
    overwrite: bool = False
    overlay: bool = True
    as_json: bool = False
    max_new_tokens: int = 128
    max_phrases: int = 16
    exports: ExportSettings = field(default_factory=ExportSettings)

    def of_run(self, request: Request) -> RunSettings:
        """The settings for `FolderRun`."""
        return RunSettings(
            mode=self.mode,
            score_threshold=self.score_threshold,
            max_new_tokens=self.max_new_tokens,
            max_phrases=self.max_phrases,
            phrases=request.phrases,
            instructions=request.instructions,
            instructions_file=request.instructions_file,
            loading={"dtype": self.opening.dtype, "quantize": self.opening.quantize},
            facts={"model": self.opening.model or "default", "command": console.command_line()},
        )


@dataclass
class Report:
    """The results of a run, ready for JSON."""

    results: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)
    stored: int = 0
    answered: int = 0


def answer(request: Request, settings: Settings) -> int:
    """Segment, print and write everything; returns the exit code."""
    first: dict[Path, LoadedImage] = {}
    if request.lone:  # report a bad image before a folder is created or a model is loaded
        image = request.images[0].image
        first[image] = load_image(image)
    for remark in request.notes:
        console.note(remark)
    run_settings, report = settings.of_run(request), Report(failed=[*request.failed])
    folder = None if settings.out is None else prepare_folder(settings.out)
    with nullcontext(None) if folder is None else AnswerLog(folder, settings.overwrite) as log:
        if log is not None:
            log.require(run_settings.known(), __version__)
            settings.exports.check(log, settings.overwrite)
            for remark in log.notes:
                console.note(f"note: {remark}")
        run = FolderRun(settings.opening.open, run_settings, log, settings.overlay, first)
        complete = False
        try:
            with console.stdout_reserved(settings.as_json):
                _answer_all(run, request, settings, report)
            if log is not None:
                write_text(log.folder / DOCUMENT_NAME, _document(run, log.results(), report.failed))
                settings.exports.write(log)
            complete = True
        finally:
            if not complete:
                _interrupted(run, report, settings)
    if settings.as_json:
        print(_document(run, report.results, report.failed), end="")
    return _exit_code(request, report)


def _answer_all(run: FolderRun, request: Request, settings: Settings, report: Report) -> None:
    total = sum(max(1, len(image.instructions)) for image in request.images)
    if run.log is not None and len(run.log):
        console.note(f"{run.log.folder}: {len(run.log)} answers are stored, the run resumes")
    remarks: dict[str, set[Path]] = {}
    with counter("answers", shown=total > 1) as advance:
        advance.expect(total)
        for item in run.answers(request.images):
            if isinstance(item, Failure):
                if request.lone:
                    raise InputError(item.error)
                report.failed.append({"image": str(item.image), "error": item.error})
                continue
            report.answered += 1
            report.stored += item.stored
            _note_new(item, remarks)
            if settings.as_json:
                overlay = None if item.overlay is None else str(item.overlay)
                found = {"image": str(item.image), "overlay": overlay, **item.prediction.to_dict()}
                report.results.append(found)
            else:
                _show(item)
            if not item.stored:  # stored answers do not count for the speed
                advance(report.answered)
    for remark, images in remarks.items():
        if len(images) > 1:
            console.note(f"note: {len(images) - 1} more images: {remark}")


def _note_new(item: Answer, remarks: dict[str, set[Path]]) -> None:
    """Print notes that no earlier answer had; for the others only count the images."""
    new = [remark for remark in item.prediction.notes if remark not in remarks]
    if new:
        console.note(f"note: {item.image}: {'; '.join(new)}")
    for remark in item.prediction.notes:
        remarks.setdefault(remark, set()).add(item.image)


def _show(item: Answer) -> None:
    prediction = item.prediction
    words = prediction.instruction or ", ".join(prediction.phrases)
    console.print_prediction(f'{item.image}: "{words}"', prediction)
    if prediction.remark:
        reply = f": {prediction.text!r}" if prediction.status == "malformed" else ""
        console.note(f"note: {item.image}: {prediction.remark}{reply}")
    if item.overlay is not None:
        console.say(f"overlay: {item.overlay}")


def _interrupted(run: FolderRun, report: Report, settings: Settings) -> None:
    """Print the results so far, while an exception ends the run."""
    if settings.as_json and report.answered:
        print(_document(run, report.results, report.failed, complete=False), end="")
    if run.log is not None and len(run.log):
        console.note(f"{run.log.path}: {len(run.log)} answers are stored; repeat the command to resume")


def _document(
    run: FolderRun,
    results: Iterable[dict[str, Any]],
    failed: list[dict[str, str]],
    complete: bool = True,
) -> str:
    """The results as JSON, one line each; ASCII only, for every encoding."""
    about = {name: value for name, value in run.header.items() if name != "settings"} | run.header["settings"]
    lists = (json.dumps(entry) for entry in results), (json.dumps(entry) for entry in failed)
    found, bad = (f"[\n{text}\n]" if (text := ",\n".join(lines)) else "[]" for lines in lists)
    return (
        f'{{"run": {json.dumps(about)},\n"complete": {json.dumps(complete)},\n"results": {found},\n'
        f'"failed": {bad}}}\n'
    )


def _exit_code(request: Request, report: Report) -> int:
    if not report.failed:
        return 0
    bad = len({failure["image"] for failure in report.failed})
    all_of_them = len(request.images) + len(request.failed)
    console.note(f"{bad} of {all_of_them} images could not be used:")
    for failure in report.failed:
        console.note(f"  {failure['error']}")
    return 1
