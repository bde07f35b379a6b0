"""The inputs that determine an answer: settings of the segmenter, and a digest of the instruction and image.

A stored answer is only used where both are the same.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from instructsam.data.record import Record, record_to_dict
from instructsam.structures.file_names import find_file
from instructsam.structures.files import file_sha256

ContentOf: TypeAlias = Callable[[Record], str]
_OPTIONS = ("mask_threshold", "max_new_tokens", "max_phrases")


def answer_settings(segmenter: object) -> dict[str, str]:
    """Precision, limits and thresholds with which a segmenter answers, as far as it has them."""
    detector = getattr(segmenter, "detector", segmenter)  # of an agent or oracle
    found: dict[str, Any] = {"precision": getattr(getattr(detector, "model", None), "dtype", None)}
    found["limits"] = getattr(segmenter, "limits", None)
    found["released_decoding"] = getattr(detector, "released_decoding", None) or None
    found["word_list"] = getattr(detector, "word_list", None) or None
    segment = getattr(detector, "segment", None)
    if segment is not None:
        parameters = inspect.signature(segment).parameters
        found |= {name: parameters[name].default for name in _OPTIONS if name in parameters}
    return {name: str(value).removeprefix("torch.") for name, value in found.items() if value is not None}


class RecordContent:
    """16 characters that differ between instructions, sizes and pictures.

    Args:
        folder: where the image files are; an image is identified by its bytes. None: images are drawn, and the whole
            record with its masks stands for the drawing.
        whole: the segmenter also sees the known answers, as an oracle does.
    """

    def __init__(self, folder: Path | None, whole: bool = False) -> None:
        self._folder, self._whole = folder, whole or folder is None
        self._last: tuple[str, str] = ("", "")  # records of one picture follow one another

    def __call__(self, record: Record) -> str:
        size = [record.image.height, record.image.width]
        given = record_to_dict(record) if self._whole else {"instruction": record.instruction, "size": size}
        text = json.dumps([given, self._picture(record.image.file)], sort_keys=True)
        return sha256(text.encode()).hexdigest()[:16]

    def _picture(self, file: str) -> str:
        if self._folder is None:
            return ""
        if self._last[0] != file:
            self._last = (file, _digest(find_file(self._folder, file)))
        return self._last[1]


def _digest(path: Path) -> str:
    try:
        return file_sha256(path)
    except (OSError, ValueError):  # the record is unanswered for that, with the reason
        return "unreadable"
