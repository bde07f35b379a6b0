"""Options that several commands share, and the loading of the model that they describe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from instructsam.checkpoints.devices import DTYPES
from instructsam.checkpoints.quantize import Quantize
from instructsam.cli import console
from instructsam.errors import InputError
from instructsam.inference.loading import LARGE
from instructsam.structures.answering import AnyAnswerer, Mode
from instructsam.structures.checks import check_count

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter


MAX_THREADS = 1024


ModelArgument = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="Model folder or hub id; the shipped default.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Model folder or hub id; the shipped default when left out.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
DtypeOption = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
QuantizeOption = Annotated[
    str | None, typer.Option("--quantize", help="int8 or int4: the language model in that many bits.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Folder with the files of the field's benchmarks.")
]
ThresholdOption = Annotated[
    float | None, typer.Option("--score-threshold", help="Minimum score in [0, 1] of an instance.")
]
VlmOption = Annotated[
    str | None, typer.Option("--vlm", help="Of agent:DETECTOR: the VLM, a folder, a hub id or a served name.")
]
VlmUrlOption = Annotated[
    str | None, typer.Option("--vlm-url", help="Its server, such as http://localhost:8000/v1.")
]
ThreadsOption = Annotated[
    int | None,
    typer.Option("--threads", help="CPU threads; 1 for a small model, else one per core, when left out."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first LIMIT instructions.")]
MODE_HELP = (
    "generate: the model writes the phrases; direct: the instruction is the phrase (no decoding); "
    "auto: the model's default."
)


def check_device(device: str) -> str:
    """The device name, checked before torch is imported."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise InputError(f"--device must be auto, cpu, cuda, cuda:N or mps, got {device!r}")
    return device


def check_threshold(value: float | None, option: str = "--score-threshold") -> float | None:
    """A score threshold in [0, 1] (typer's own range check lets NaN pass)."""
    if value is not None and not 0.0 <= value <= 1.0:
        raise InputError(f"{option} must lie in [0, 1], got {value}")
    return value


@dataclass(frozen=True)
class Opening:
    """A model and the options of loading it; see `instructsam.load`."""

    model: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    quantize: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None:
            check_count(self.threads, "--threads", high=MAX_THREADS)
        check_device(self.device)
        if self.dtype not in ("auto", *DTYPES):
            raise InputError(f"--dtype must be one of auto, {', '.join(DTYPES)}, got {self.dtype!r}")
        if self.quantize is not None and self.quantize not in get_args(Quantize):
            known = ", ".join(get_args(Quantize))
            raise InputError(f"--quantize must be one of {known}, got {self.quantize!r}")

    @property
    def changes(self) -> dict[str, str]:
        """Options of loading that differ from the defaults, for a report."""
        given = {"dtype": self.dtype, "quantize": self.quantize}
        return {name: value for name, value in given.items() if value not in (None, "auto")}

    def facts(self, fingerprint: str) -> dict[str, str]:
        """Facts for a report: the model with its weights, options of loading, the command."""
        model = f"{self.model or 'default'}, weights {fingerprint}"
        return {"model": model, **self.changes, "command": console.command_line()}

    def open(self) -> Segmenter:
        """Load the model; torch is imported only after the model has been found."""
        from instructsam.inference import loading

        quantize = cast("Quantize | None", self.quantize)
        segmenter = loading.load(self.model, device=self.device, dtype=self.dtype, quantize=quantize)
        self.use_threads(segmenter.num_parameters)
        return segmenter

    def use_threads(self, num_parameters: int = LARGE) -> None:
        """Set the threads of this process for a model of this size."""
        from instructsam.inference.threads import use_threads

        use_threads(self.threads, num_parameters)


def is_direct(answerer: AnyAnswerer, mode: Mode) -> bool:
    """Whether instructions are their own phrases; "auto" is the answerer's default."""
    return (answerer.default_mode if mode == "auto" else mode) == "direct"
