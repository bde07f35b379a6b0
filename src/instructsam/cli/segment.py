"""`instructsam segment IMAGE... "INSTRUCTION"`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from instructsam.cli import console
from instructsam.cli.options import (
    MODE_HELP,
    DeviceOption,
    DtypeOption,
    JsonOption,
    Mode,
    ModelOption,
    Opening,
    QuantizeOption,
    ThreadsOption,
    ThresholdOption,
    check_threshold,
)
from instructsam.errors import ImageError, InputError
from instructsam.processing.images import IMAGE_SUFFIXES, LoadedImage, iter_image_paths, load_image
from instructsam.structures.files import prepare_folder

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter
    from instructsam.structures.instances import Prediction

USAGE = 'instructsam segment photo.jpg "the red mugs"'


@dataclass(frozen=True)
class Request:
    """What is asked: every instruction (or all phrases together) about every image.

    `lone` is True for one image file given by name: then a bad image ends the command at once.
    """

    images: tuple[Path, ...]
    instructions: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    lone: bool = False


@dataclass(frozen=True)
class Settings:
    """How it is answered and where the results go."""

    opening: Opening = field(default_factory=Opening)
    mode: Mode = Mode.auto
    score_threshold: float | None = None
    out: Path | None = None
    as_json: bool = False
    max_new_tokens: int = 128
    max_phrases: int = 16


@dataclass
class Report:
    """What came of a run, ready for JSON."""

    results: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


def parse_request(inputs: list[str], instructions: list[str], phrases: list[str]) -> Request:
    """Tell images from the instruction.

    Raises:
        InputError: no image, no or an empty instruction, or both instructions and phrases.
    """
    if instructions and phrases:
        raise InputError("give either --instruction or --phrase, not both")
    if not instructions and not phrases and inputs:
        *inputs, last = inputs
        names_image = Path(last).suffix.lower() in IMAGE_SUFFIXES and not any(map(str.isspace, last))
        if names_image or (last and _exists(last)):
            raise InputError(f"the instruction is missing after {last!r}: write {USAGE} or add --instruction")
        instructions = [last]
    for kind, texts in (("instruction", instructions), ("phrase", phrases)):
        if any(not text.strip() for text in texts):
            raise InputError(f"the {kind} is empty: write {USAGE}")
    if not inputs:
        raise InputError(f"the image is missing: write {USAGE}")
    lone = len(inputs) == 1 and not os.path.isdir(inputs[0])
    return Request(tuple(iter_image_paths(inputs)), tuple(instructions), tuple(phrases), lone)


def segment(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE... INSTRUCTION", help="Image files or folders, and the text last."),
    ] = None,
    instruction: Annotated[
        list[str] | None, typer.Option("--instruction", "-i", help="An instruction; may be repeated.")
    ] = None,
    phrase: Annotated[
        list[str] | None, typer.Option("--phrase", help="A target phrase, not an instruction; repeatable.")
    ] = None,
    model: ModelOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for overlays and predictions.json.")
    ] = None,
    as_json: JsonOption = False,
    score_threshold: ThresholdOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "auto",
    quantize: QuantizeOption = None,
    threads: ThreadsOption = None,
    mode: Annotated[Mode, typer.Option("--mode", help=MODE_HELP)] = Mode.auto,
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
    opening = Opening(model, device, dtype, quantize, threads)
    threshold = check_threshold(score_threshold)
    settings = Settings(opening, mode, threshold, out, as_json, max_new_tokens, max_phrases)
    request = parse_request(inputs or [], instruction or [], phrase or [])
    return answer(request, settings)


def answer(request: Request, settings: Settings) -> int:
    """Segment, print and write everything; the exit code."""
    # A lone bad image ends the command before a folder is made or a model is loaded.
    first = load_image(request.images[0]) if request.lone else None
    if settings.out is not None:
        prepare_folder(settings.out)
    with console.stdout_reserved(settings.as_json):
        report = _run(request, settings, first)
    document = {"results": report.results, "failed": report.failed}
    if settings.out is not None:
        console.write_json(settings.out / "predictions.json", document)
    if settings.as_json:
        console.print_json(document)
    if report.failed:
        console.note(f"{len(report.failed)} of {len(request.images)} images could not be used:")
        for failure in report.failed:
            console.note(f"  {failure['error']}")
        return 1
    return 0


def _run(request: Request, settings: Settings, first: LoadedImage | None) -> Report:
    report = Report()
    names = OverlayNames(settings.out, request.images) if settings.out is not None else None
    segmenter: Segmenter | None = None
    for path in request.images:
        try:
            loaded = first or load_image(path)
            segmenter = segmenter or settings.opening.open()
            predictions = _ask(segmenter, loaded, request, settings)
        except ImageError as problem:
            if request.lone:
                raise
            hint = "" if path.suffix or path.exists() else " (an instruction of several words needs quotes)"
            report.failed.append({"image": str(path), "error": f"{problem}{hint}"})
            continue
        for remark in loaded.notes:
            console.note(f"note: {path}: {remark}")
        for number, prediction in enumerate(predictions, start=1):
            overlay = names.path_for(path, number) if names is not None else None
            if overlay is not None:
                prediction.save(overlay)
            report.results.append(_result(path, prediction, overlay, settings))
    return report


def _ask(segmenter: Segmenter, loaded: LoadedImage, request: Request, settings: Settings) -> list[Prediction]:
    options: dict[str, Any] = {
        "score_threshold": settings.score_threshold,
        "max_new_tokens": settings.max_new_tokens,
        "max_phrases": settings.max_phrases,
    }
    if settings.mode is not Mode.auto:
        options["mode"] = settings.mode.value
    if request.phrases:
        found = [segmenter.segment(loaded.image, phrases=list(request.phrases), **options)]
    else:
        found = segmenter.segment(loaded.image, list(request.instructions), **options)
    return [replace(prediction, notes=(*loaded.notes, *prediction.notes)) for prediction in found]


def _result(path: Path, prediction: Prediction, overlay: Path | None, settings: Settings) -> dict[str, Any]:
    if not settings.as_json:
        asked = prediction.instruction or ", ".join(prediction.phrases)
        console.print_prediction(f'{path}: "{asked}"', prediction)
        if prediction.remark:
            reply = f": {prediction.text!r}" if prediction.status == "malformed" else ""
            console.note(f"note: {path}: {prediction.remark}{reply}")
        if overlay is not None:
            console.say(f"overlay: {overlay}")
    if not settings.as_json and settings.out is None:
        return {}
    return {"image": str(path), "overlay": str(overlay) if overlay else None, **prediction.to_dict()}


class OverlayNames:
    """`<stem>.<k>.png` for the k-th answer about an image; no name twice, and never an input file."""

    def __init__(self, folder: Path, inputs: tuple[Path, ...]) -> None:
        self._folder = folder
        self._stems: dict[Path, str] = {}
        self._inputs = {os.path.realpath(path) for path in inputs}
        self._taken: set[str] = set()

    def path_for(self, image: Path, number: int) -> Path:
        """Where the overlay of this answer goes."""
        if image not in self._stems:
            self._stems[image] = self._free_stem(image.stem)
        stem = self._stems[image]
        while True:
            path = self._folder / f"{stem}.{number}.png"
            if os.path.realpath(path) not in self._inputs and path.name.lower() not in self._taken:
                self._taken.add(path.name.lower())
                return path
            stem += "-result"

    def _free_stem(self, stem: str) -> str:
        used = {known.lower() for known in self._stems.values()}
        candidate, count = stem, 1
        while candidate.lower() in used:
            count += 1
            candidate = f"{stem}-{count}"
        return candidate


def _exists(path: str) -> bool:
    """`os.path.exists`, for text that may be far too long for a path."""
    try:
        return os.path.lexists(path)
    except ValueError:
        return False
