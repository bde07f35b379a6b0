"""Parses the words after `instructsam segment` into images and their instructions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instructsam.errors import InputError
from instructsam.images.folders import IMAGE_SUFFIXES
from instructsam.inference.image_list import (
    FoundImages,
    Row,
    count_text,
    find_images,
    read_instructions,
)
from instructsam.inference.run_requests import ImageRequest
from instructsam.structures.checks import check_text

USAGE = 'instructsam segment photo.jpg "the red mugs"'


@dataclass(frozen=True)
class Request:
    """The images and instructions of one command.

    Attributes:
        images: each with its instructions.
        instructions: those that apply to every image.
        phrases: for every image.
        instructions_file: name of the file with the instructions of each image.
        lone: whether one image file was given by name; a bad image is then an error.
        failed: folders that cannot be listed.
        notes: remarks on skipped images.
    """

    images: tuple[ImageRequest, ...]
    instructions: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    instructions_file: str | None = None
    lone: bool = False
    failed: tuple[dict[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def parse_request(
    inputs: Sequence[str],
    instructions: Sequence[str],
    phrases: Sequence[str] = (),
    file: Path | None = None,
    recursive: bool = False,
    out: Path | None = None,
) -> Request:
    """Separate images from the instruction, and find the images.

    Args:
        inputs: images and folders; last the instruction, unless it is given otherwise.
        instructions, phrases: of --instruction and --phrase.
        file: of --instructions.
        recursive: search subfolders.
        out: output folder; overlays of earlier runs in it are skipped.

    Raises:
        InputError: no image, no instruction, an empty instruction, or conflicting options.
    """
    if file is not None:
        if instructions or phrases:
            raise InputError("give either --instructions, or --instruction and --phrase, not both")
        rows = read_instructions(file)
        if rows[0].image is not None:
            return _of_table(rows, [Path(word) for word in inputs], file, out)
        images, texts = list(inputs), [row.instruction for row in rows]
    else:
        images, texts = _split(inputs, instructions, phrases)
    for kind, words in (("instruction", texts), ("phrase", phrases)):
        for word in words:
            if not check_text(word, f"the {kind}").strip():
                raise InputError(f"the {kind} is empty: write {USAGE}")
    if phrases and len(texts) > 1:
        raise InputError("give at most one instruction together with --phrase")
    if not images:
        raise InputError(f"the image is missing: write {USAGE}")
    if file or instructions:
        option = "--instructions" if file else "--instruction"
        _refuse_words(
            images, f"{option} gives the instruction, every other word must be an image or a folder"
        )
    else:
        _refuse_words(images, "check the path; an instruction of several words needs quotes")
    found = find_images([Path(image) for image in images], recursive, out)
    requests = tuple(ImageRequest(image.path, image.name, tuple(texts)) for image in found.found)
    lone = len(images) == 1 and not os.path.isdir(images[0])
    notes, failed = _remarks(found)
    return Request(requests, tuple(texts), tuple(phrases), None, lone, failed, notes)


def _split(
    inputs: Sequence[str], instructions: Sequence[str], phrases: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Images and instructions; the last word is the instruction unless one is given or it names an image."""
    images, texts = list(inputs), list(instructions)
    if texts or not images:
        return images, texts
    last = images[-1]
    is_image = _is_image(last) and not (any(map(str.isspace, last)) and not os.path.lexists(last))
    if phrases:
        return (images, []) if is_image or len(images) == 1 else (images[:-1], [last])
    if is_image:
        _refuse_words(images, "the images come first, the instruction last")
        raise InputError(f"the instruction is missing after {last!r}: write {USAGE} or add --instruction")
    return images[:-1], [last]


def _is_image(word: str) -> bool:
    """Whether a word is an existing path or has the suffix of an image."""
    return Path(word).suffix.lower() in IMAGE_SUFFIXES or (word != "" and os.path.lexists(word))


def _refuse_words(images: Sequence[str], fix: str) -> None:
    """Refuse a word of the instruction among the images, before a folder is segmented with the remaining words."""
    for word in images:
        if not _is_image(word):
            raise InputError(f"{word}: there is no such file or folder; {fix}")


def _of_table(rows: Sequence[Row], inputs: Sequence[Path], file: Path, out: Path | None) -> Request:
    """The images that a table names, in its order, relative to the input folder or to the table."""
    if len(inputs) > 1 or (inputs and not os.path.isdir(inputs[0])):
        raise InputError(f"{file} names the images: give the one folder that contains them, or nothing")
    folder = inputs[0] if inputs else file.parent
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(os.path.normpath(str(row.image)), []).append(row)
    images = tuple(
        ImageRequest(
            folder / name,
            Path(name).as_posix() if _is_inside(name) else os.path.abspath(folder / name),
            tuple(row.instruction for row in group),
            tuple(row.place for row in group),
        )
        for name, group in grouped.items()
    )
    notes: tuple[str, ...] = ()
    failed: tuple[dict[str, str], ...] = ()
    if inputs:
        found = find_images(inputs, recursive=True, out=out)
        named = {image.name for image in images}
        left = sum(image.name not in named for image in found.found)
        notes, failed = _remarks(found)
        notes += (f"{left} images of {folder} are not named in {file}: skipped",) if left else ()
    return Request(images, instructions_file=file.name, failed=failed, notes=notes)


def _is_inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts


def _remarks(found: FoundImages) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
    notes = []
    if found.skipped:
        notes.append(f"{count_text(found.skipped)} images in subfolders are skipped: add --recursive")
    if found.own:
        notes.append(f"{found.own} overlays or exports of an earlier run are skipped")
    failed = tuple({"image": str(path), "error": f"{path}: {why}"} for path, why in found.unreadable)
    return tuple(notes), failed
