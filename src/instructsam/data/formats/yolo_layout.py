"""Where YOLO's names, images and labels are: a data.yaml, or folders as CVAT and Label Studio write them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml

from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.source import Node
from instructsam.data.formats.splits import spellings
from instructsam.data.formats.yolo import YoloLabels
from instructsam.data.image_store import FolderImages
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import ConfigError, RecordError
from instructsam.images.folders import IMAGE_SUFFIXES
from instructsam.structures.file_names import is_system_file
from instructsam.structures.files import reason

_YAML = (".yaml", ".yml")
_DATA = ("data.yaml", "dataset.yaml")
_NAMES = ("classes.txt", "obj.names", "predefined_classes.txt")
_IMAGES, _LABELS = "images", "labels"


class _TextLoader(yaml.SafeLoader):
    """Keeps scalars as text: YAML takes class names such as no, on and 1e3 for other values."""


_TextLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0].endswith((":null", ":merge"))]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def find_yolo(path: Path, split: str) -> Path | None:
    """The data.yaml at a path, or the folder itself if it has a file of class names and images with labels.

    Raises:
        RecordError: data.yaml is not YAML.
    """
    if path.is_file():
        return path if path.suffix in _YAML and _is_data(path, split) else None
    found = [path / name for name in _DATA]
    others = [file for suffix in _YAML for file in sorted(path.glob(f"*{suffix}")) if file not in found]
    for file in (*found, *others):
        if file.is_file() and _is_data(file, split):
            return file
    return path if _names_file(path) is not None and _folders(path, split) else None


def open_yolo(name: str, found: Path, options: ReadOptions) -> RecordReader:
    """The reader of what `find_yolo` found.

    Raises:
        ConfigError: there are no images, or not one of them has labels.
        RecordError: the names are malformed.
    """
    if found.is_file():
        top = _read_yaml(found)
        if top.get("kpt_shape") is not None:
            raise ConfigError(
                f"{found}: labels with keypoints (kpt_shape) are no outlines: export boxes or segments"
            )
        names, base = _names(top["names"]), found.parent
        images = _listed(found, top, options.split)
    else:
        file = _names_file(found)
        lines = [] if file is None else _lines(file)
        names, base = dict(enumerate(lines)), found
        images = [image for folder in _folders(found, options.split) for image in _images_in(folder)]
    if options.images is not None:
        images = _images_in(options.images)
    if not images:
        raise ConfigError(
            f"{name}: there are no images for the split {spellings(options.split)[0]!r} of {found}"
        )
    labels = {image: _label(image, base) for image in images}
    if not any(labels.values()):
        raise ConfigError(
            f"{name}: none of {len(images)} images has labels: expected them beside the images, or in a folder "
            f"{_LABELS!r} in place of {_IMAGES!r}, such as {_beside(images[0])}"
        )
    root = Path(os.path.commonpath([image.parent for image in images]))
    by_file = {image.relative_to(root).as_posix(): label for image, label in labels.items()}
    vocabulary = Vocabulary()
    yolo = YoloLabels(root, by_file, names, options, vocabulary)
    return RecordReader(name, "YOLO labels", FolderImages(root), yolo.read, vocabulary, options.templates)


def _is_data(file: Path, split: str) -> bool:
    try:
        top = _read_yaml(file).value
    except RecordError:
        if file.name in _DATA:
            raise
        return False
    return isinstance(top, dict) and "names" in top and any(name in top for name in spellings(split))


def _read_yaml(file: Path) -> Node:
    try:
        # The loader is a safe one.
        return Node(yaml.load(file.read_text(encoding="utf-8-sig"), _TextLoader), file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RecordError(f"{file}: cannot be read as YAML ({reason(error)})") from error


def _names(node: Node) -> dict[int, str]:
    """A list of names, or a mapping from numbers to names."""
    if not isinstance(node.value, dict):
        return {number: one.text() for number, one in enumerate(node.items())}
    try:
        return {int(key): node[key].text() for key in node.value}
    except (TypeError, ValueError) as error:
        raise node.wrong("class names, or a mapping from class numbers to names") from error


def _listed(file: Path, top: Node, split: str) -> list[Path]:
    """The images of a split: a folder, a text file of paths, or a list of these."""
    entry = next(top[name] for name in spellings(split) if name in top.value)
    stated = top.get("path")
    bases = [file.parent] if stated is None else [file.parent / stated.text(), file.parent]
    entries = list(entry.items()) if isinstance(entry.value, list) else [entry]
    return [image for one in entries for image in _images_of(one, bases)]


def _images_of(entry: Node, bases: Sequence[Path]) -> list[Path]:
    text = entry.text().replace("\\", "/")
    parts = [part for part in text.split("/") if part not in ("", ".", "..")]
    # Roboflow writes ../train/images for train/images, notebooks the absolute paths of their machine.
    shorter = ["/".join(parts[start:]) for start in range(max(len(parts) - 1, 1))]
    tried = list(dict.fromkeys(base / part for part in (text, *shorter) for base in bases))
    for path in tried:
        if path.is_dir():
            return _images_in(path)
        if path.is_file():
            return [found for line in _lines(path) if (found := _line_image(line, (path.parent, *bases)))]
    raise ConfigError(
        f"{entry.at()}: there is no folder or list of images {text!r}, looked for {', '.join(map(str, tried))}"
    )


def _line_image(line: str, bases: Iterable[Path]) -> Path | None:
    """The image of a line of a list; the first place where one is, or else would be."""
    places = [base / line for base in bases] + [base / line.removeprefix("data/") for base in bases]
    return next((place for place in places if place.is_file()), places[0])


def _images_in(folder: Path) -> list[Path]:
    found = (
        Path(top) / name for top, _, names in os.walk(folder) for name in names if not is_system_file(name)
    )
    return sorted(path for path in found if path.suffix.lower() in IMAGE_SUFFIXES)


def _folders(path: Path, split: str) -> list[Path]:
    """Folders of images without a data.yaml: of the split, or else all images."""
    named = [
        place
        for name in spellings(split)
        for place in (path / _IMAGES / name, path / name / _IMAGES, path / f"obj_{name}_data", path / name)
    ]
    whole = [] if split else [path / _IMAGES]
    return [place for place in (*named, *whole) if place.is_dir()][:1]


def _names_file(path: Path) -> Path | None:
    return next((path / name for name in _NAMES if (path / name).is_file()), None)


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise RecordError(f"{file}: cannot be read ({reason(error)})") from error


def _label(image: Path, base: Path) -> Path | None:
    """The label file of an image: in `labels` in place of `images`, beside it, or in `labels` of the base folder."""
    places = [_beside(image), image.with_suffix(".txt"), base / _LABELS / f"{image.stem}.txt"]
    return next((place for place in places if place.is_file()), None)


def _beside(image: Path) -> Path:
    parts = list(image.parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == _IMAGES:
            parts[index] = _LABELS
            break
    return Path(*parts).with_suffix(".txt")
