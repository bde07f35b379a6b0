"""`instructsam segment IMAGE... "INSTRUCTION"`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli.export_options import ExportOption, parse_format_options, parse_formats
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
from instructsam.cli.segment_exports import ExportSettings, LabelSource
from instructsam.cli.segment_request import parse_request
from instructsam.cli.segment_run import Settings, answer
from instructsam.errors import InputError
from instructsam.structures.answering import Mode

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
    bool, typer.Option("--overwrite", help="Discard the results of an earlier run in --out.")
]
FormatOption = Annotated[
    str, typer.Option("--format", help="Formats to write into --out as well, such as coco,yolo.")
]
LabelsOption = Annotated[
    LabelSource, typer.Option("--labels", help="Categories in these formats: phrases or instructions.")
]
OverlayOption = Annotated[bool, typer.Option("--overlay/--no-overlay", help="Draw each answer into --out.")]


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
    formats: FormatOption = "",
    option: ExportOption = None,
    labels: LabelsOption = "phrases",
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
    """Segment every instance that the instruction names.

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
        exports=ExportSettings(parse_formats(formats), parse_format_options(option or []), labels),
    )
    if overwrite and out is None:
        raise InputError("--overwrite discards the contents of --out: name the folder")
    if option and not formats:
        raise InputError(
            "--option sets an option of the formats of --format: name them, such as --format coco"
        )
    if formats and out is None:
        raise InputError("--format writes files into --out: name the folder")
    request = parse_request(inputs or [], instruction or [], phrase or [], instructions, recursive, out)
    return answer(request, settings)
