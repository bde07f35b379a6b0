"""Atomic writing of model folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.checkpoints.scope import Scope, save_scope
from instructsam.errors import InputError, first_line
from instructsam.processing.word_list import WORDS_FILE
from instructsam.structures.folders import whole_folder

if TYPE_CHECKING:
    from instructsam.model.instructsam import InstructSAMModel
    from instructsam.processing.processor import InstructSAMProcessor

WEIGHT_FILES = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")


def save_model(
    model: InstructSAMModel, processor: InstructSAMProcessor, folder: Path, scope: Scope | None = None
) -> None:
    """Write model, processor and scope, all files or none; other weights and words of an earlier model are removed.

    Raises:
        InputError: the folder cannot be written, a file has its name, or the disk is full.
    """
    with model_folder(folder, stale=(*WEIGHT_FILES, WORDS_FILE)) as staging:
        with quiet_transformers():
            model.save_pretrained(staging)
        processor.save_pretrained(staging)
        save_scope(scope, staging)


@contextmanager
def model_folder(folder: Path, stale: Sequence[str] = ()) -> Iterator[Path]:
    """`whole_folder` for files that safetensors writes.

    Raises:
        InputError: see there.
    """
    with whole_folder(folder, "", stale) as staging:
        try:
            yield staging
        except SafetensorError as error:  # the library's wrapper of an OSError
            raise InputError(f"{folder}: cannot be written ({first_line(error)})") from error
