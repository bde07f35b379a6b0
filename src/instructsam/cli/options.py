"""Options that several commands take, and the one place where they reach the segmenter."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.errors import InputError

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter


class Mode(str, Enum):
    """How the target phrases come about; `auto` is what the model does better."""

    auto = "auto"
    generate = "generate"
    direct = "direct"


ModelOption = Annotated[
    str | None, typer.Option("--model", help="Model folder or hub id; the shipped default when left out.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
ThresholdOption = Annotated[
    float | None, typer.Option("--score-threshold", help="Least score in [0, 1] of an instance that is kept.")
]
MODE_HELP = (
    "generate: the model writes the phrases; direct: the instruction is the phrase (no decoding); "
    "auto: what the model's card says."
)


def check_device(device: str) -> str:
    """The device name, judged before torch is imported."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise InputError(f"--device must be auto, cpu, cuda, cuda:N or mps, got {device!r}")
    return device


def check_threshold(value: float | None) -> float | None:
    """A score threshold in [0, 1] (typer's own range check lets NaN pass)."""
    if value is not None and not 0.0 <= value <= 1.0:
        raise InputError(f"--score-threshold must lie in [0, 1], got {value}")
    return value


def open_segmenter(model: str | None, device: str) -> Segmenter:
    """Load the model; torch is imported only once the model has been found."""
    from instructsam.inference import loading

    return loading.load(model, device=device)


def is_direct(segmenter: Segmenter, mode: Mode) -> bool:
    """Whether instructions are their own phrases; `auto` asks the model."""
    return (segmenter.default_mode if mode is Mode.auto else mode.value) == Mode.direct.value
