"""Predictions on disk: one JSON line per instruction, appended as they come.

So a run can be resumed, and scored again offline (other thresholds, other metrics) without the model. The
first line says what the file holds; a file of another model, benchmark or mode is refused, not mixed in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError
from instructsam.structures.instances import Prediction
from instructsam.structures.masks import decode_rle, encode_rle

_FORMAT = "instructsam-predictions-1"


@dataclass(frozen=True)
class StoredPrediction:
    """One line of predictions.jsonl.

    Attributes:
        id: the record's id.
        instruction: the user's text.
        family: instruction family of the record.
        phrases: as written by the model or given.
        status: as the model said it; a run that asks for all candidates learns only "truncated" from it.
        size: (height, width) px.
        masks: N COCO run-length codes, ALL ranked candidates.
        scores: N numbers in [0, 1].
        phrase_ids: N indices into `phrases`.
        seconds: share of the model's time; the instructions of one call share it equally.
    """

    id: str
    instruction: str
    family: str
    phrases: tuple[str, ...]
    status: str
    size: tuple[int, int]
    masks: tuple[dict[str, Any], ...]
    scores: tuple[float, ...]
    phrase_ids: tuple[int, ...]
    seconds: float

    @classmethod
    def from_prediction(
        cls, prediction: Prediction, *, id: str, family: str = "", seconds: float = 0.0
    ) -> StoredPrediction:
        """What is kept of a prediction."""
        found = prediction.instances
        return cls(
            id=id,
            instruction=prediction.instruction,
            family=family,
            phrases=tuple(prediction.phrases),
            status=prediction.status,
            size=found.size,
            masks=tuple(encode_rle(mask) for mask in found.masks),
            scores=tuple(float(v) for v in found.scores),
            phrase_ids=tuple(int(v) for v in found.phrase_ids),
            seconds=round(float(seconds), 6),
        )

    def decode_masks(self) -> NDArray[np.bool_]:
        """bool [N, H, W]."""
        if not self.masks:
            return np.zeros((0, *self.size), dtype=np.bool_)
        return np.stack([_decode_at(code, self.size, self.id) for code in self.masks])


class PredictionFile:
    """Appends predictions to a JSONL file, line by line.

    Args:
        path: the file; made when missing, continued when there.
        header: what the file holds (benchmark, model, mode); must equal that of a file that is there.

    Attributes:
        done: the predictions that were already there, by id.
        notes: what was repaired on opening.

    Raises:
        InputError: the folder is missing, or the file is no predictions file or holds something else.
    """

    def __init__(self, path: str | Path, header: Mapping[str, str]) -> None:
        self.path = Path(path)
        self.done: dict[str, StoredPrediction] = {}
        self.notes: tuple[str, ...] = ()
        if not self.path.parent.is_dir():
            raise InputError(f"the folder {str(self.path.parent)!r} does not exist; make it first")
        wanted = {"format": _FORMAT, **header}
        try:
            if self.path.exists() and self.path.stat().st_size:
                self._continue(wanted)
            self._stream: IO[str] = self.path.open("a", encoding="utf-8")
            if self._stream.tell() == 0:
                self._write(wanted)
        except OSError as error:
            raise InputError(f"cannot write {str(self.path)!r}: {error.strerror or error}") from error

    def _continue(self, wanted: Mapping[str, str]) -> None:
        content = self.path.read_bytes()
        if not content.endswith(b"\n"):
            whole = content.rfind(b"\n") + 1
            with self.path.open("r+b") as stream:
                stream.truncate(whole)
            self.notes = (
                f"{self.path}: the last line was cut off and is dropped; it will be predicted again",
            )
            if whole == 0:
                return
        found = read_header(self.path)
        if found != wanted:
            raise InputError(f"{self.path} holds {_said(found)}, not {_said(wanted)}; choose another file")
        self.done = {item.id: item for item in read_predictions(self.path)}

    def append(self, item: StoredPrediction) -> None:
        """Writes one line and hands it to the system at once."""
        line = {name: getattr(item, name) for name in StoredPrediction.__dataclass_fields__}
        self._write(line)

    def _write(self, line: Mapping[str, Any]) -> None:
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()

    def sync(self) -> None:
        """Waits until what is written is on the disk."""
        os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Ends writing."""
        self._stream.close()

    def __enter__(self) -> PredictionFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_header(path: str | Path) -> dict[str, str]:
    """The first line of a predictions file: benchmark, model, mode.

    Raises:
        InputError: this is no predictions file.
    """
    _, header = next(_lines(Path(path)), (0, None))
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise InputError(f"{path} is no predictions file: its first line must say format {_FORMAT!r}")
    return header


def read_predictions(path: str | Path) -> Iterator[StoredPrediction]:
    """Every prediction of a file, in order.

    Raises:
        InputError: a line is malformed (file, line and reason are named) or an id comes twice.
    """
    read_header(path)
    seen: set[str] = set()
    for number, line in _lines(Path(path)):
        if number == 1:
            continue
        item = _parse(line, f"{path}, line {number}")
        if item.id in seen:
            raise InputError(f"{path}, line {number}: the id {item.id!r} comes twice")
        seen.add(item.id)
        yield item


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with path.open(encoding="utf-8") as stream:
            for number, text in enumerate(stream, start=1):
                try:
                    yield number, json.loads(text)
                except json.JSONDecodeError as error:
                    raise InputError(f"{path}, line {number}: this is not JSON ({error.msg})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; a predictions.jsonl file was expected") from error
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror or error}") from error


def _parse(line: Any, where: str) -> StoredPrediction:
    names = set(StoredPrediction.__dataclass_fields__)
    if not isinstance(line, dict) or set(line) != names:
        odd = sorted(set(line) ^ names) if isinstance(line, dict) else type(line).__name__
        raise InputError(f"{where}: a prediction must have the fields {sorted(names)}, odd or missing: {odd}")
    lists = ("phrases", "size", "masks", "scores", "phrase_ids")
    if odd := [name for name in lists if not isinstance(line[name], list)]:
        raise InputError(f"{where}: {', '.join(odd)} must be a list")
    tuples = {name: tuple(line[name]) for name in lists}
    item = StoredPrediction(**{**line, **tuples})
    if not len(item.masks) == len(item.scores) == len(item.phrase_ids):
        counts = f"{len(item.masks)} masks, {len(item.scores)} scores, {len(item.phrase_ids)} phrase_ids"
        raise InputError(f"{where}: masks, scores and phrase_ids must be equally many, got {counts}")
    return item


def _decode_at(code: Mapping[str, Any], size: tuple[int, int], id: str) -> NDArray[np.bool_]:
    mask = decode_rle(code)
    if mask.shape != tuple(size):
        raise InputError(f"prediction {id!r}: masks must have the size {tuple(size)}, got {mask.shape}")
    return mask


def _said(header: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in header.items() if key != "format") or "nothing known"
