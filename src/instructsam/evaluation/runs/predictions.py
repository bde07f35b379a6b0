"""Predictions on disk: one JSON line per instruction, appended as they come.

So a run can be resumed, and scored again offline (other thresholds, other metrics) without the model. The first line
holds what decides about answers (benchmark, model, precision, mode, limits): a file of another run is refused, not
mixed in. Each line holds a digest of the instruction and picture that it answers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from instructsam.errors import InputError
from instructsam.evaluation.runs.stored_lines import FIELDS, parse_line
from instructsam.evaluation.runs.stored_prediction import StoredPrediction
from instructsam.structures.checks import parse_json
from instructsam.structures.files import end_of_last_line, reason, write_all
from instructsam.structures.safe_text import one_line

_FORMAT = "instructsam-predictions-2"
_OLDER = "instructsam-predictions-1"  # is scored again, not continued: it has neither digests nor precision


class PredictionFile:
    """Appends predictions to a JSONL file, line by line.

    Args:
        path: the file; made when missing, continued when there.
        header: what decides about answers (benchmark, model, mode, ...); must equal that of a file that is there.

    Attributes:
        done: the predictions that were already there, by id, answered or not.
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
            self._stream: IO[bytes] = self.path.open("ab", buffering=0)
            if self._stream.tell() == 0:
                self._write(wanted)
        except OSError as error:
            raise InputError(f"cannot write {str(self.path)!r}: {reason(error)}") from error

    def _continue(self, wanted: Mapping[str, str]) -> None:
        whole = end_of_last_line(self.path)
        if whole != self.path.stat().st_size:
            with self.path.open("r+b") as stream:
                stream.truncate(whole)
            self.notes = (
                f"{self.path}: the last line was cut off and is dropped; it will be predicted again",
            )
            if whole == 0:
                return
        found = read_header(self.path)
        if found["format"] == _OLDER:
            raise InputError(
                f"{self.path} was written by an earlier version and cannot be continued: choose another folder; "
                "instructsam evaluate --predictions scores it again"
            )
        if found != wanted:
            raise InputError(
                f"{self.path} holds answers of another run ({_differences(found, wanted)}); choose another folder"
            )
        self.done = by_id(read_predictions(self.path))

    def append(self, item: StoredPrediction) -> None:
        """Writes one line and hands it to the system at once.

        Raises:
            InputError: the disk is full or gone; what was written before is kept.
        """
        self._write({name: getattr(item, name) for name in FIELDS})

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False) + "\n"
        try:
            content = text.encode("utf-8")
        except UnicodeEncodeError:  # half of a character: kept as its JSON escape
            content = (json.dumps(line) + "\n").encode("ascii")
        try:
            write_all(self._stream, content)
        except OSError as error:
            raise InputError(
                f"cannot write {str(self.path)!r}: {reason(error)}; the answers so far are kept, start again to resume"
            ) from error

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


def by_id(items: Iterable[StoredPrediction]) -> dict[str, StoredPrediction]:
    """The last line of each id counts."""
    return {item.id: item for item in items}


def read_header(path: str | Path) -> dict[str, str]:
    """The first line of a predictions file: benchmark, model, mode and what else decides about answers.

    Raises:
        InputError: this is no predictions file.
    """
    _, header = next(_lines(Path(path)), (0, None))
    texts = isinstance(header, dict) and all(isinstance(value, str) for value in header.values())
    if not isinstance(header, dict) or not texts or header.get("format") not in (_FORMAT, _OLDER):
        raise InputError(f"{path} is no predictions file: its first line must say format {_FORMAT!r}")
    return header


def read_predictions(path: str | Path) -> Iterator[StoredPrediction]:
    """Every prediction of a file, in order; a last line that was cut off is left out.

    An id comes again where its first line has no answer or answers other content (an edited instruction, another
    picture): the last line counts, see `by_id`.

    Raises:
        InputError: a line is malformed (file, line and reason are named) or an id is answered twice.
    """
    older = read_header(path)["format"] == _OLDER
    seen: dict[str, str] = {}
    for number, line in _lines(Path(path)):
        if number == 1:
            continue
        where = f"{path}, line {number}"
        item = StoredPrediction(**parse_line(line, where, older), place=where)
        if seen.get(item.id) == f"={item.content}":
            raise InputError(f"{where}: the id {one_line(item.id, 80)!r} comes twice")
        seen[item.id] = f"={item.content}" if item.answered else ""
        yield item


def last_line_is_cut(path: str | Path) -> bool:
    """Whether a file ends in part of a line, which `read_predictions` leaves out: a kill or a full disk."""
    path = Path(path)
    with path.open("rb") as stream:
        stream.seek(end_of_last_line(path))
        rest = stream.read()
    if not rest:
        return False
    try:
        parse_json(rest, str(path))
    except InputError:
        return True
    return False


def _lines(path: Path) -> Iterator[tuple[int, Any]]:
    try:
        with path.open("rb") as stream:
            for number, text in enumerate(stream, start=1):
                try:
                    value = parse_json(text, f"{path}, line {number}")
                except InputError:
                    if number > 1 and not text.endswith(b"\n"):
                        return  # see `last_line_is_cut`
                    raise
                yield number, value
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {reason(error)}") from error


def _differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> str:
    names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    return ", ".join(
        f"{one_line(name, 40)}={one_line(found.get(name, 'not given'), 120)}, this run has {wanted.get(name, 'none')}"
        for name in names
    )
