"""The log of `instructsam segment`: one JSON line per answer, appended as it is computed, so that a run can resume.

No torch. The first line has the settings of the run; answers with other settings are refused.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from PIL import Image

from instructsam.errors import ImageError, InputError
from instructsam.inference.answer_lines import (
    FORMAT,
    LOG_NAME,
    log_lines,
    overlay_in,
    recorded_overlays,
    restore,
)
from instructsam.structures.checks import parse_json
from instructsam.structures.destinations import check_file_destination
from instructsam.structures.files import end_of_last_line, file_sha256, reason, write_all
from instructsam.structures.locks import FolderLock
from instructsam.structures.predictions import Prediction

DOCUMENT_NAME = "predictions.json"


@dataclass(frozen=True, slots=True)
class Content:
    """A hash of a file's content; size and modification time avoid hashing an unchanged file again."""

    hash: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Key:
    """The identity of an answer.

    Attributes:
        name: the image's path relative to the input folder.
        hash: of the image file.
        instruction: None where only phrases are given.
    """

    name: str
    hash: str
    instruction: str | None


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """An answer to be stored.

    Attributes:
        key: its identity.
        content: of the image file.
        image: the path.
        overlay: path relative to the folder of the log; None without one.
        fields: as `Prediction.to_dict` writes them.
    """

    key: Key
    content: Content
    image: Path
    overlay: str | None
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """The offset of an answer in the log, and the paths of its image and overlay."""

    offset: int
    image: str
    overlay: str | None


class AnswerLog:
    """A context manager that owns the output folder: it holds the folder's lock and appends to predictions.jsonl.

    Args:
        folder: an existing folder.
        overwrite: whether `begin` discards the answers and overlays of an earlier run.

    Attributes:
        header: the first line of the log; for a new log empty until `begin`.
        notes: repairs made on opening.

    Raises:
        InputError: another process writes there, a file cannot be written, or the log is damaged or of another command.
    """

    def __init__(self, folder: Path, overwrite: bool = False) -> None:
        self.folder = folder
        self.path = folder / LOG_NAME
        self.header: dict[str, Any] = {}
        self.notes: tuple[str, ...] = ()
        self._overwrite = overwrite
        self._discarded: frozenset[str] = frozenset()
        self._entries: dict[Key, Entry] = {}
        self._latest: dict[tuple[str, str | None], Key] = {}  # by image and instruction
        self._contents: dict[str, Content] = {}  # by name
        self._end = 0
        self._closing = ExitStack()

    def __enter__(self) -> AnswerLog:
        with ExitStack() as stack:
            stack.enter_context(FolderLock(self.folder))
            for name in (LOG_NAME, DOCUMENT_NAME):
                check_file_destination(self.folder / name)
            try:
                self._stream: IO[bytes] = stack.enter_context(self.path.open("ab", buffering=0))
                self._end = os.fstat(self._stream.fileno()).st_size
                if self._end:
                    self._load()
            except OSError as error:
                raise InputError(f"{self.path}: cannot be written ({reason(error)})") from error
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._end:
            self.path.unlink(missing_ok=True)  # nothing was answered
        self._closing.close()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def require(self, settings: Mapping[str, Any], version: str) -> None:
        """Compare settings with those of the log; a new log accepts all.

        Raises:
            InputError: a setting differs, or the log is of an incompatible version.
        """
        if not self.header:
            document = self.folder / DOCUMENT_NAME
            if document.exists() and not self._overwrite:
                raise InputError(
                    f"{document} exists, without a {LOG_NAME} to resume from: choose another --out, or add "
                    "--overwrite to replace it"
                )
            return
        found = {**self.header["settings"], "version": _series(self.header["version"])}
        for name, value in {"version": _series(version), **settings}.items():
            if found.get(name) != value:
                raise InputError(
                    f"{self.folder} has answers with {name} {_short(found.get(name))}, not {_short(value)}: "
                    "choose another --out, or add --overwrite to discard them"
                )

    def begin(self, header: Mapping[str, Any]) -> None:
        """Write the header of a new log, or check it against an existing one; see `require`."""
        self.require(header["settings"], str(header["version"]))
        if self._overwrite:
            for overlay in self._discarded:
                (self.folder / overlay).unlink(missing_ok=True)
            self._truncate(0)
            self._overwrite, self._discarded = False, frozenset()
        if not self.header:
            self._write(_encode({"format": FORMAT, **header}))
            self.header = dict(header)

    def content_of(self, image: Path, name: str) -> Content:
        """The hash of a file, from the log when size and modification time are unchanged.

        Raises:
            ImageError: the file cannot be read.
        """
        return file_content(image, self._contents.get(name))

    def has_image(self, name: str) -> bool:
        """Whether there are answers about an image of this name, maybe with another content."""
        return name in self._contents

    def overlay_of(self, key: Key) -> str | None:
        """The overlay of a stored answer, relative to the folder."""
        return self._entries[key].overlay

    def overlay_before(self, image: Path, instruction: str | None) -> str | None:
        """The overlay of an earlier answer about this image, which a new answer replaces."""
        key = self._latest.get((str(image), instruction))
        return None if key is None else self._entries[key].overlay

    @property
    def overlays(self) -> frozenset[str]:
        """Every overlay of the log, relative to the folder, with `/`."""
        found = (entry.overlay for entry in self._entries.values())
        return self._discarded | {overlay for overlay in found if overlay is not None}

    def append(
        self, key: Key, content: Content, image: Path, overlay: str | None, prediction: Prediction
    ) -> None:
        """Write an answer; see `append_all`."""
        self.append_all([NewAnswer(key, content, image, overlay, prediction.to_dict())])

    def append_all(self, answers: Sequence[NewAnswer]) -> None:
        """Write several answers, all or none: after a crash the log has none of them, or all.

        Raises:
            InputError: writing failed; the earlier answers stay intact.
        """
        lines = []
        for left, answer in zip(reversed(range(len(answers))), answers, strict=True):
            content = answer.content
            line = {
                "name": answer.key.name,
                "content": {"hash": content.hash, "size": content.size, "mtime_ns": content.mtime_ns},
                "request": answer.key.instruction,
                "image": str(answer.image),
                "overlay": answer.overlay,
                "prediction": answer.fields,
            }
            lines.append(_encode({**line, "more": left} if left else line))
        offset = self._write(b"".join(lines))
        for line_text, answer in zip(lines, answers, strict=True):
            self._contents[answer.key.name] = answer.content
            self._add(answer.key, Entry(offset, str(answer.image), answer.overlay))
            offset += len(line_text)

    def prediction(self, key: Key, image: Image.Image | None = None) -> Prediction:
        """A stored answer, with `image` attached."""
        return restore(self.fields(key), f"{self.path}: the answer about {key.name}", image)

    def fields(self, key: Key) -> dict[str, Any]:
        """A stored answer, as `Prediction.to_dict` writes it."""
        found: dict[str, Any] = self._line(self._entries[key])["prediction"]
        return found

    def results(self) -> Iterator[dict[str, Any]]:
        """The entries of predictions.json: the newest answer for each image and instruction."""
        for key in self._latest.values():
            entry = self._entries[key]
            overlay = None if entry.overlay is None else str(self.folder / entry.overlay)
            yield {"image": entry.image, "overlay": overlay, **self._line(entry)["prediction"]}

    def newest(self) -> Iterator[tuple[Key, str]]:
        """The newest answer for each image and instruction, with the path of its image."""
        return ((key, self._entries[key].image) for key in self._latest.values())

    def moved(self, key: Key, image: Path) -> None:
        """Record that the image of a stored answer now has another path."""
        entry = self._entries[key]
        if entry.image != str(image):
            self._latest.pop((entry.image, key.instruction), None)
            self._add(key, replace(entry, image=str(image)))

    def _line(self, entry: Entry) -> dict[str, Any]:
        with self.path.open("rb") as stream:
            stream.seek(entry.offset)
            line: dict[str, Any] = parse_json(stream.readline(), str(self.path))
        return line

    def _add(self, key: Key, entry: Entry) -> None:
        before = self._latest.get((entry.image, key.instruction))
        if before is not None and before != key:
            del self._entries[before]
        self._entries[key] = entry
        self._latest[entry.image, key.instruction] = key

    def _load(self) -> None:
        if self._overwrite:
            self._discarded = recorded_overlays(self.folder)
            next(log_lines(self.path), None)  # raises for the log of another command
            return
        whole = end_of_last_line(self.path)
        if whole < self._end:
            self._truncate(whole)
            self.notes = (
                f"{self.path}: the last line was incomplete and is dropped; its answer is computed again",
            )
        group: list[tuple[Key, Content, Entry]] = []  # answers that were written together
        for offset, number, line in log_lines(self.path):
            if number == 1:
                self.header = line
                continue
            group.append(self._parse(line, number, offset))
            if line.get("more", 0):
                continue
            for key, content, entry in group:
                self._contents[key.name] = content
                self._add(key, entry)
            group = []
        if group:
            self._truncate(group[0][2].offset)
            self.notes = (
                f"{self.path}: the last answers were incomplete and are dropped; they are computed again",
            )

    def _parse(self, line: Mapping[str, Any], number: int, offset: int) -> tuple[Key, Content, Entry]:
        try:
            request, content = line["request"], Content(**line["content"])
            key = Key(str(line["name"]), content.hash, None if request is None else sys.intern(str(request)))
            return key, content, Entry(offset, str(line["image"]), overlay_in(line))
        except (KeyError, TypeError) as error:
            where = f"{self.path}, line {number}"
            raise InputError(f"{where}: this is not an answer of segment: remove the line") from error

    def _truncate(self, size: int) -> None:
        self._stream.truncate(size)
        self._end = size

    def _write(self, data: bytes) -> int:
        """Append whole lines; returns their offset."""
        offset = self._end
        try:
            write_all(self._stream, data)
        except OSError as error:
            self._stream.truncate(offset)
            raise InputError(
                f"{self.path}: cannot be written ({reason(error)}); the {len(self)} earlier answers stay valid: "
                "make room, then repeat the command to resume"
            ) from error
        self._end = offset + len(data)
        return offset


def file_content(image: Path, known: Content | None = None) -> Content:
    """The hash of a file, or `known` when size and modification time are unchanged.

    Raises:
        ImageError: the file cannot be read.
    """
    try:
        status = os.stat(image)
        if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return known
        digest = file_sha256(image)
    except (OSError, ValueError) as error:
        raise ImageError(f"{image}: the file cannot be read ({reason(error)})") from error
    return Content(f"sha256 {digest[:32]}", status.st_size, status.st_mtime_ns)


def _encode(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, allow_nan=False).encode("ascii") + b"\n"


def _series(version: object) -> str:
    """The part of a version that decides about answers: 0.3 of 0.3.1."""
    return ".".join(str(version).split(".")[:2])


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
