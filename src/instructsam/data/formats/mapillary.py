"""Mapillary Vistas (ICCV 2017): street pictures in which every pixel has a class, and single things have numbers.

config.json has {labels: [{name, readable, instances: whether single things have numbers}]}. A 16-bit PNG file holds
256 x class + number of the thing in each pixel. Each class in a picture is an instruction; a class without single
things, such as sky, is one instance. Pixels of the void classes may be anything: they are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instructsam.data.formats.label_maps import label_codes, read_label_map
from instructsam.data.formats.outlines import Code, instance_of
from instructsam.data.formats.source import Tally, files_in, joined, read_json
from instructsam.data.record import ImageRef, PhraseRecord, Record
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import RecordError
from instructsam.structures.masks import merge_rles

_VOID = "void--"
_THINGS = 256  # numbers of things per class


@dataclass(frozen=True)
class _Label:
    text: str
    has_things: bool
    is_void: bool


def read_mapillary(
    config: Path, maps: Path, images: str, tally: Tally, vocabulary: Vocabulary | None = None
) -> Iterator[Record]:
    """One record per picture and class.

    Args:
        config: config_v2.0.json, config_v1.2.json or config.json.
        maps: folder of the instance maps, NAME.png for NAME.jpg.
        images: folder of the pictures, relative to the data folder.
        vocabulary: learns which picture shows which class.
    """
    labels = _labels(config)
    if vocabulary is not None:
        for label in labels:
            vocabulary.add(label.text)
    for path in files_in(maps, ".png"):
        records = list(_picture_records(path, labels, config, joined(images, f"{path.stem}.jpg")))
        if vocabulary is not None and records:
            vocabulary.see(records[0].image.file, (record.instruction for record in records))
        yield from records


def mapillary_images(maps: Path, images: str) -> list[str]:
    """The pictures that have an instance map."""
    return [joined(images, f"{path.stem}.jpg") for path in files_in(maps, ".png")]


def _labels(config: Path) -> list[_Label]:
    return [
        _Label(
            label["readable"].text().lower(),
            label["instances"].flag(),
            label["name"].text().startswith(_VOID),
        )
        for label in read_json(config)["labels"].items()
    ]


def _picture_records(path: Path, labels: list[_Label], config: Path, file: str) -> Iterator[Record]:
    drawn = read_label_map(path)
    image = ImageRef(file, *drawn.shape)
    classes: dict[int, list[Code]] = {}
    for value, code in label_codes(drawn).items():
        classes.setdefault(value // _THINGS, []).append(code)
    if unknown := [number for number in classes if not 0 <= number < len(labels)]:
        raise RecordError(
            f"{path}: expected classes 0 to {len(labels) - 1} of {config}, got {unknown[0]}: use the maps and the "
            "config file of one version"
        )
    void = [code for number, codes in classes.items() if labels[number].is_void for code in codes]
    ignored = merge_rles(void) if void else None
    for number, codes in sorted(classes.items()):
        label = labels[number]
        if label.is_void:
            continue
        regions = codes if label.has_things else [merge_rles(codes)]
        found = (instance_of(code, label.text) for code in regions)
        instances = tuple(instance for instance in found if instance is not None)
        phrase = PhraseRecord(label.text, instances)
        yield Record(f"{path.stem}-{number}", image, label.text, (phrase,), ignore=ignored)
