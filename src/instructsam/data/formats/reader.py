"""A source before it is read: its format, its images, and the function that reads its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instructsam.data.formats.source import Tally
from instructsam.data.image_store import ImageStore
from instructsam.data.record import Record
from instructsam.data.templates import DEFAULT_TEMPLATES, NAME_ALONE
from instructsam.data.vocabulary import Vocabulary


@dataclass(frozen=True)
class ReadOptions:
    """Settings for reading a source.

    Attributes:
        split: of a source with several; "" for the one to train on.
        images: folder of the images; None: found from the annotations.
        instructions: file of (image, instruction, annotation ids); None: one beside the annotations, if it is there.
        templates: wordings of categories.
        seed: of the choice among templates.
        negatives: whether images without objects become instructions without target.
        skip_missing: whether missing images are left out, and counted, in place of an error.
        columns: names of a table's columns, by what they hold.
    """

    split: str = ""
    images: Path | None = None
    instructions: Path | None = None
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    seed: int = 0
    negatives: bool = True
    skip_missing: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)


def no_licence(file: str) -> str:
    """The licence of an image whose source states none."""
    return ""


@dataclass(frozen=True)
class RecordReader:
    """A source of records that was found by its name, not yet read.

    Attributes:
        name: as in the configuration.
        format: for messages, such as "COCO JSON".
        images: loads the images of its records.
        read: the records, counting what is left out; the same ones every time.
        vocabulary: the categories that are annotated in every image, filled by `read`; None where what is absent
            from an image is unknown.
        templates: wordings of its categories; none where no record is about a category alone.
        licence: of an image by its file, "" if the source states none; known when `read` has ended.
    """

    name: str
    format: str
    images: ImageStore
    read: Callable[[Tally], Iterator[Record]]
    vocabulary: Vocabulary | None = None
    templates: tuple[str, ...] = NAME_ALONE
    licence: Callable[[str], str] = no_licence
