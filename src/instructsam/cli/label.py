"""`instructsam label IMAGES -i "INSTRUCTION" --out DIR`: a folder of images, labelled for other tools."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli.export_options import ExportOption, parse_format_options, parse_formats
from instructsam.cli.label_run import LabelCommand, label_folder
from instructsam.cli.options import (
    MODE_HELP,
    DtypeOption,
    JsonOption,
    ModelOption,
    Opening,
    QuantizeOption,
    ThreadsOption,
    ThresholdOption,
    check_threshold,
)
from instructsam.errors import InputError
from instructsam.inference.run_requests import RunSettings
from instructsam.labelling.classes import class_list
from instructsam.labelling.outputs import OutputSettings
from instructsam.labelling.selection import LabelSource, Selection
from instructsam.structures.answering import Mode

_USAGE = 'instructsam label photos -i "the red mugs" --out labels'

InstructionOption = Annotated[
    list[str] | None, typer.Option("--instruction", "-i", help="A class by its instruction; may be repeated.")
]
ClassesOption = Annotated[
    Path | None,
    typer.Option("--classes", metavar="FILE", help="Classes: `name: instruction` lines, YAML, CSV or TSV."),
]
FormatOption = Annotated[str, typer.Option("--format", help="Formats of the labels, such as coco,yolo.")]
DevicesOption = Annotated[
    str, typer.Option("--devices", help="auto, or a list such as cuda:0,cuda:1: one process each.")
]
BatchOption = Annotated[
    int, typer.Option("--batch-size", min=1, max=4096, help="Images times classes per forward pass.")
]
MinScoreOption = Annotated[
    float | None, typer.Option("--min-score", help="Lowest exported score; changed without the model.")
]
NmsOption = Annotated[
    float | None,
    typer.Option("--nms", metavar="IOU", help="Leave out duplicates: masks with at least this IoU."),
]
LowScoreOption = Annotated[
    float | None,
    typer.Option("--low-score", help="Scores below it are in doubt; threshold + 0.2 if left out."),
]

ImagesArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="IMAGES", help="Folders or image files.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for the labels; a stopped run resumes.")
]
LabelsOption = Annotated[
    LabelSource, typer.Option("--labels", help="Label instances by their class or their phrase.")
]
RecursiveOption = Annotated[bool, typer.Option("--recursive", "-r", help="Search subfolders, too.")]
PerClassOption = Annotated[bool, typer.Option("--nms-per-class", help="--nms among a class only.")]
ReviewOption = Annotated[bool, typer.Option("--review/--no-review", help="Write the page review.html.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Discard earlier results in --out.")]
ModeOption = Annotated[Mode, typer.Option("--mode", help=MODE_HELP)]


class OnError(str, Enum):
    """The reaction to an image that cannot be read."""

    skip = "skip"
    stop = "stop"


OnErrorOption = Annotated[OnError, typer.Option("--on-error", help="Skip images that fail, or stop.")]


def label(
    images: ImagesArgument = None,
    instruction: InstructionOption = None,
    classes: ClassesOption = None,
    out: OutOption = None,
    formats: FormatOption = "coco",
    option: ExportOption = None,
    labels: LabelsOption = "classes",
    recursive: RecursiveOption = False,
    model: ModelOption = None,
    devices: DevicesOption = "auto",
    batch_size: BatchOption = 16,
    dtype: DtypeOption = "auto",
    quantize: QuantizeOption = None,
    threads: ThreadsOption = None,
    mode: ModeOption = "auto",
    score_threshold: ThresholdOption = None,
    min_score: MinScoreOption = None,
    nms: NmsOption = None,
    nms_per_class: PerClassOption = False,
    low_score: LowScoreOption = None,
    review: ReviewOption = True,
    on_error: OnErrorOption = OnError.skip,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> int:
    """Label a folder of images: each instruction is a class.

    For example: instructsam label photos -i "the red mugs" --out labels --format coco,yolo

    Exit code 0, 1 when some images could not be read, 2 on bad input. Repeat the command to resume a run.
    """
    if not images:
        raise InputError(f"the images are missing: write {_USAGE}")
    if out is None:
        raise InputError(f"the folder for the labels is missing: write {_USAGE}")
    for value, name in ((min_score, "--min-score"), (nms, "--nms"), (low_score, "--low-score")):
        check_threshold(value, name)
    if nms is None and nms_per_class:
        raise InputError("--nms-per-class restricts --nms: give --nms, such as 0.7")
    openings = tuple(Opening(model, name, dtype, quantize, threads) for name in parse_devices(devices))
    loading = {"dtype": dtype, "quantize": quantize}
    selection = Selection(min_score, nms, nms_per_class, labels)
    options = parse_format_options(option or [])
    command = LabelCommand(
        tuple(images),
        class_list(instruction or [], classes),
        out,
        openings,
        RunSettings(mode, check_threshold(score_threshold), loading=loading),
        OutputSettings(parse_formats(formats), options, selection, low_score, review),
        batch_size=batch_size,
        recursive=recursive,
        stop_on_error=on_error is OnError.stop,
        overwrite=overwrite,
        as_json=as_json,
    )
    return label_folder(command)


def parse_devices(text: str) -> list[str]:
    """The devices of `--devices`."""
    devices = [name.strip() for name in text.split(",")]
    if len(devices) > 1 and "auto" in devices:
        raise InputError(f"--devices must be auto or a list such as cuda:0,cuda:1, got {text!r}")
    return devices
