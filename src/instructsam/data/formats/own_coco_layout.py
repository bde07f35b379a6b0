"""Where a COCO file and its images are: one file, or a folder as CVAT, Label Studio, Roboflow and COCO arrange it."""

from __future__ import annotations

from pathlib import Path

from instructsam.data.formats.image_finder import ImageFinder
from instructsam.data.formats.json_kind import COCO, json_kind
from instructsam.data.formats.own_coco import OwnCocoFile
from instructsam.data.formats.own_instructions import instructions_beside
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.splits import spellings
from instructsam.data.image_store import FolderImages
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import ConfigError

ROBOFLOW = "_annotations.coco.json"
_WHOLE = ("instances.json", ROBOFLOW, "annotations.json", "result.json")
_FOLDER = "annotations"


def find_coco(path: Path, split: str) -> Path | None:
    """The COCO file at a path, which is the file or a folder.

    Raises:
        ConfigError: there are several, none with a usual name.
    """
    if path.is_file():
        return path if not split and path.suffix == ".json" and json_kind(path) == COCO else None
    whole = [] if split else [path / name for name in _WHOLE]
    parts = [file for name in spellings(split) for file in _of_split(path, name)]
    rest = [] if split else [path / _FOLDER / "instances_default.json", path / _FOLDER / "instances.json"]
    for file in (*whole, *parts, *rest):
        if json_kind(file) == COCO:
            return file
    return None if split else _only_one(path)


def _of_split(path: Path, name: str) -> list[Path]:
    exact = [
        path / name / ROBOFLOW,
        path / name / "instances.json",
        path / _FOLDER / f"instances_{name}.json",
    ]
    return [
        *exact,
        path / f"{name}.json",
        path / _FOLDER / f"{name}.json",
        *sorted((path / _FOLDER).glob(f"instances_{name}*.json")),
    ]


def _only_one(path: Path) -> Path | None:
    files = sorted([*path.glob("*.json"), *(path / _FOLDER).glob("*.json")])
    found = [file for file in files if json_kind(file) == COCO]
    if len(found) > 1:
        names = ", ".join(str(file) for file in found[:5])
        raise ConfigError(
            f"data.source: {str(path)!r} holds {len(found)} COCO files: name one of them, such as {names}"
        )
    return found[0] if found else None


def open_coco(name: str, file: Path, options: ReadOptions) -> RecordReader:
    """The reader of a COCO file. Without a folder of images, they are near the file."""
    if options.images is not None:
        finder = ImageFinder(options.images)
    else:
        base = file.parent.parent if file.parent.name == _FOLDER else file.parent
        part = file.stem.removeprefix("instances_")
        finder = ImageFinder(base, ("", "images", part, f"images/{part}"))
    vocabulary = Vocabulary()
    instructions = options.instructions or instructions_beside(file)
    coco = OwnCocoFile(file, finder, instructions, options, vocabulary)
    return RecordReader(
        name,
        "COCO JSON",
        FolderImages(finder.folder),
        coco.read,
        vocabulary,
        options.templates,
        lambda image: coco.licences.get(image, ""),
    )
