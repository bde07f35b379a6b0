"""Parsing of a `segment` log: header, answers, and the overlays that it names. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from instructsam.errors import InputError, first_line
from instructsam.structures.checks import describe, parse_json
from instructsam.structures.instances import Instances
from instructsam.structures.masks import decode_rles
from instructsam.structures.predictions import Prediction

FORMAT = "instructsam-segment-1"
LOG_NAME = "predictions.jsonl"
OVERLAY_SUFFIX = ".png"


def log_lines(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Offset, number and content of every line; the first is the header.

    Raises:
        InputError: the file is not a log of `instructsam segment`, or a line is damaged.
    """
    offset = 0
    with path.open("rb") as stream:
        for number, text in enumerate(stream, start=1):
            line = _parse_header(text, path) if number == 1 else parse_json(text, f"{path}, line {number}")
            if not isinstance(line, dict):
                raise InputError(f"{path}, line {number}: expected an object, got {describe(line)}")
            yield offset, number, line
            offset += len(text)


def recorded_overlays(folder: Path) -> frozenset[str]:
    """The overlays that a log in this folder names, relative to it; empty without a log of `segment`.

    A damaged log is read up to its first bad line, which is enough to exclude overlays from the inputs.
    """
    found: set[str] = set()
    try:
        for _, number, line in log_lines(folder / LOG_NAME):
            overlay = None if number == 1 else overlay_in(line)
            if overlay is not None:
                found.add(overlay)
    except (InputError, OSError, ValueError, KeyError):
        return frozenset(found)
    return frozenset(found)


def restore(fields: Mapping[str, Any], name: str, image: Image.Image | None = None) -> Prediction:
    """A prediction from the output of `Prediction.to_dict`.

    Args:
        fields: the JSON object.
        name: of the file and the answer, for the message.
        image: the segmented image; only needed to draw an overlay.

    Raises:
        InputError: `fields` are damaged.
    """
    try:
        rows, phrases = fields["instances"], tuple(fields["phrases"])
        height, width = fields["original_size"]
        ids = [phrases.index(row["phrase"]) for row in rows]
        instances = Instances(
            decode_rles([row["segmentation"] for row in rows], (height, width), "instances"),
            np.asarray([row["box_xyxy"] for row in rows], np.float32).reshape(-1, 4),
            np.asarray([row["score"] for row in rows], np.float32),
            np.asarray(ids, np.int64),
        )
        return Prediction(
            instances,
            phrases,
            fields["text"],
            fields["status"],
            fields["instruction"],
            (height, width),
            image,
            tuple(fields["notes"]),
            fields["mode"],
            fields["num_queries"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{name} is damaged ({first_line(error)}): remove its line to answer it again"
        ) from error


def _parse_header(text: bytes, path: Path) -> dict[str, Any]:
    refusal = f"{path} is not a log of instructsam segment: choose another folder"
    try:
        line = parse_json(text, str(path))
    except InputError as error:
        raise InputError(refusal) from error
    if not isinstance(line, dict) or line.get("format") != FORMAT or "version" not in line:
        raise InputError(refusal)
    if not isinstance(line.get("settings"), dict):
        raise InputError(refusal)
    return line


def overlay_in(line: Mapping[str, Any]) -> str | None:
    """The overlay of an answer, relative to the folder of the log.

    Raises:
        KeyError, InputError: the field is missing or invalid.
    """
    overlay = line["overlay"]
    if overlay is None:
        return None
    path = PurePosixPath(str(overlay))
    if path.is_absolute() or ".." in path.parts or path.suffix != OVERLAY_SUFFIX:
        raise InputError(f"an overlay must be a {OVERLAY_SUFFIX} file inside the folder, got {overlay!r}")
    return str(path)
