"""`instructsam segment IMAGE... "INSTRUCTION"`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from instructsam import __version__
from instructsam.cli import console
from instructsam.cli.options import (
    MODE_HELP,
    DeviceOption,
    DtypeOption,
    JsonOption,
    ModelOption,
    Opening,
    QuantizeOption,
    ThreadsOption,
    ThresholdOption,
    check_threshold,
)
from instructsam.cli.progress import counter
from instructsam.cli.segment_request import Request, parse_request
from instructsam.errors import InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.inference.answer_log import DOCUMENT_NAME, AnswerLog
from instructsam.inference.folder_run import Answer, Failure, FolderRun, RunSettings
from instructsam.structures.answering import Mode
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.files import write_text

InstructionOption = Annotated[
    list[str] | None, typer.Option("--instruction", "-i", help="An instruction; may be repeated.")
]
InstructionsOption = Annotated[
    Path | None,
    typer.Option(
        "--instructions",
        metavar="FILE",
        help="One instruction per line; or .csv, .tsv or .jsonl with image and instruction.",
    ),
]
PhraseOption = Annotated[
    list[str] | None,
    typer.Option("--phrase", help="A target phrase, with or without an instruction; may be repeated."),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", "-r", help="Search the subfolders of a folder, too.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Folder for overlays, predictions.jsonl (a stopped run resumes) and predictions.json.",
    ),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Discard what an earlier run left in --out.")
]
OverlayOption = Annotated[bool, typer.Option("--overlay/--no-overlay", help="Draw each answer into --out.")]


@dataclass(frozen=True)
class Settings:
    """How requests are answered and where the results go."""

    opening: Opening = field(default_factory=Opening)
    mode: Mode = "auto"
    score_threshold: float | None = None
    out: Path | None = None
    overwrite: bool = False
    overlay: bool = True
    as_json: bool = False
    max_new_tokens: int = 128
    max_phrases: int = 16

    def of_run(self, request: Request) -> RunSettings:
        """What the run itself needs to know."""
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


def segment(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE... INSTRUCTION", help="Image files or folders, and the text last."),
    ] = None,
    instruction: InstructionOption = None,
    instructions: InstructionsOption = None,
    phrase: PhraseOption = None,
    recursive: RecursiveOption = False,
    model: ModelOption = None,
    out: OutOption = None,
    overwrite: OverwriteOption = False,
    overlay: OverlayOption = True,
    as_json: JsonOption = False,
    score_threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    quantize: QuantizeOption = None,
    threads: ThreadsOption = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = "auto",
    max_new_tokens: Annotated[
        int, typer.Option("--max-new-tokens", min=1, help="Limit of the reply that the model writes.")
    ] = 128,
    max_phrases: Annotated[
        int, typer.Option("--max-phrases", min=1, help="Limit of the phrases in that reply.")
    ] = 16,
) -> int:
    """Outline what the instruction names.

    For example: instructsam segment photo.jpg "the red mugs"

    Exit code 0 (also when there is no target), 2 on bad input, 1 when one of several images is bad.
    """
    settings = Settings(
        opening=Opening(model, device, dtype, quantize, threads),
        mode=mode,
        score_threshold=check_threshold(score_threshold),
        out=out,
        overwrite=overwrite,
        overlay=overlay,
        as_json=as_json,
        max_new_tokens=max_new_tokens,
        max_phrases=max_phrases,
    )
    if overwrite and out is None:
        raise InputError("--overwrite discards what is in --out: name the folder")
    request = parse_request(inputs or [], instruction or [], phrase or [], instructions, recursive, out)
    return answer(request, settings)


def answer(request: Request, settings: Settings) -> int:
    """Segment, print and write everything; the exit code."""
    first: dict[Path, LoadedImage] = {}
    if request.lone:  # a bad image ends the command before a folder is made or a model is loaded
        image = request.images[0].image
        first[image] = load_image(image)
    for remark in request.notes:
        console.note(remark)
    run_settings, report = settings.of_run(request), Report(failed=[*request.failed])
    folder = None if settings.out is None else prepare_folder(settings.out)
    with nullcontext(None) if folder is None else AnswerLog(folder, settings.overwrite) as log:
        if log is not None:
            log.require(run_settings.known(), __version__)
            for remark in log.notes:
                console.note(f"note: {remark}")
        run = FolderRun(settings.opening.open, run_settings, log, settings.overlay, first)
        complete = False
        try:
            with console.stdout_reserved(settings.as_json):
                _answer_all(run, request, settings, report)
            if log is not None:
                write_text(log.folder / DOCUMENT_NAME, _document(run, log.results(), report.failed))
            complete = True
        finally:
            if not complete:
                _interrupted(run, report, settings)
    if settings.as_json:
        print(_document(run, report.results, report.failed), end="")
    return _exit_code(request, report)


def _answer_all(run: FolderRun, request: Request, settings: Settings, report: Report) -> None:
    total = sum(max(1, len(one.instructions)) for one in request.images)
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
            if not item.stored:  # what an earlier run computed tells nothing of the speed
                advance(report.answered)
    for remark, images in remarks.items():
        if len(images) > 1:
            console.note(f"note: {len(images) - 1} more images: {remark}")


def _note_new(item: Answer, remarks: dict[str, set[Path]]) -> None:
    """One line of the notes that no answer before had; of the others only the images are counted."""
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
    """Hand over what there is, while an exception ends the run."""
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
    """The results as JSON, one line each; ASCII only, so that it survives every encoding."""
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
