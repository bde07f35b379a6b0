"""Inst2Seg records and published data sets as sources of training samples (`data.sources.SampleSource`)."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructsam.data.formats.source import Tally
from instructsam.data.image_store import FolderImages, ImageStore
from instructsam.data.record import ImageRef, InstanceRecord, Known, Record, read_records, record_to_dict
from instructsam.data.regions import object_key, region_code
from instructsam.data.sample import (
    ObjectAttribute,
    SampleInstruction,
    SamplePhrase,
    TrainingSample,
    relative_boxes_cxcywh,
)
from instructsam.data.targets import decode_all, with_known_answer
from instructsam.errors import InputError
from instructsam.structures.masks import shrink_masks
from instructsam.structures.safe_text import one_line


class RecordSource:
    """Inst2Seg records: one sample for each image, or several where more than `instructions` are about it.

    Crowds and ignored pixels of a record become one ignored object of its instruction.

    Attributes:
        left_out: records without a known answer and what the reader left out, by reason.

    Raises:
        InputError: a record is malformed, none has a known answer, or images are missing.
    """

    attributes: tuple[ObjectAttribute, ...] = ()

    def __init__(
        self,
        name: str,
        images: Path | ImageStore,
        records: Iterable[Record],
        instructions: int,
        tally: Tally | None = None,
        max_side: int = 0,
    ) -> None:
        self.name = name
        self.max_side = max_side
        self.images: ImageStore = FolderImages(images) if isinstance(images, Path) else images
        tally = Tally() if tally is None else tally
        digest = hashlib.sha256(str(instructions).encode())
        of_image: dict[str, list[Record]] = {}
        for record in with_known_answer(records, tally):
            digest.update(json.dumps(record_to_dict(record), sort_keys=True).encode())
            group = of_image.setdefault(record.image.file, [])
            group.append(record)
            check_same_size(name, record, group[0].image, group[0].id)
        self.fingerprint = digest.hexdigest()[:16]
        self.groups = [
            group[first : first + instructions]
            for group in of_image.values()
            for first in range(0, len(group), instructions)
        ]
        if not self.groups:
            why = "".join(f"; {line}" for line in tally.lines())
            raise InputError(f"{name} holds no record to train on: give a source with at least one{why}")
        absent = [file for file in of_image if not self.images.has(file)]
        if absent:
            raise InputError(
                f"{name}: {len(absent)} of {len(of_image)} images are missing, such as "
                f"{self.images.place(absent[0])!r}: "
                "put them there, or set data.images to their folder"
            )
        self.left_out = dict(tally.left_out)
        for line in tally.lines():
            logging.getLogger(__name__).warning("%s: %s", name, line)

    @classmethod
    def open(cls, path: Path, instructions: int) -> RecordSource:
        """The records of a file, or of `records.jsonl` in a folder; image paths are relative to its folder."""
        file = path / "records.jsonl" if path.is_dir() else path
        return cls(str(path), file.parent, read_records(file), instructions)

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.groups)

    def __getitem__(self, index: int) -> TrainingSample:
        group = self.groups[index]
        numbers: dict[tuple[str, str], int] = {}
        instances: list[InstanceRecord] = []

        def number_of(instance: InstanceRecord) -> int:
            """Equal objects of several records are one."""
            key = object_key(instance, group[0].image)
            number = numbers.setdefault(key, len(instances))
            if number == len(instances):
                instances.append(instance)
            return number

        phrases = [
            tuple(
                SamplePhrase(phrase.text, tuple(dict.fromkeys(map(number_of, phrase.instances))))
                for phrase in record.phrases
            )
            for record in group
        ]
        masks = decode_all([region_code(instance, group[0].image) for instance in instances], group[0])
        regions = [_ignored(record, its, masks) for record, its in zip(group, phrases, strict=True)]
        ignored = [region for region in regions if region is not None]
        if ignored:
            masks = np.concatenate([masks, ignored])
        places = iter(range(len(instances), len(masks)))
        boxes = relative_boxes_cxcywh(masks)
        stated = group[0].image.height, group[0].image.width
        size = size_within(stated, self.max_side)
        if size != stated:
            masks = shrink_masks(masks, size)
        mask: Known = "mask"
        known = (*(instance.known for instance in instances), *(mask for _ in ignored))
        return TrainingSample(
            id=f"{self.name}, record {one_line(group[0].id)!r}",
            image=self.images.load(group[0], size),
            instructions=tuple(
                SampleInstruction(
                    record.instruction, its, () if region is None else (next(places),), record.family
                )
                for record, its, region in zip(group, phrases, regions, strict=True)
            ),
            boxes_cxcywh=boxes,
            masks=masks,
            known=() if set(known) <= {"mask"} else known,
        )

    def texts(self, count: int) -> Iterator[str]:
        """Instructions and their phrases, in the order of the records."""
        records = (record for group in self.groups for record in group)
        return islice(
            (
                text
                for record in records
                for text in (record.instruction, *(phrase.text for phrase in record.phrases))
            ),
            count,
        )

    def phrases(self) -> Iterator[str]:
        """The phrases of all records."""
        return (phrase.text for group in self.groups for record in group for phrase in record.phrases)


def size_within(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """(height, width) of an image whose sides are to be at most `max_side`; 0 for any size."""
    longest = max(size)
    if not max_side or longest <= max_side:
        return size
    return max(1, round(size[0] * max_side / longest)), max(1, round(size[1] * max_side / longest))


def _ignored(
    record: Record, phrases: Sequence[SamplePhrase], masks: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """The pixels that no loss of an instruction counts, bool [H, W]: ignored ones, and crowds outside its targets."""
    if record.ignore is None and not record.crowds:
        return None
    targets = sorted({number for phrase in phrases for number in phrase.instances})
    region: NDArray[np.bool_] = np.any(decode_all(record.crowds, record), axis=0)
    region &= ~np.any(masks[targets], axis=0)
    if record.ignore is not None:
        region |= decode_all([record.ignore], record)[0]
    return region if region.any() else None


def check_same_size(name: str, record: Record, first: ImageRef, first_id: str) -> None:
    """Refuse a record that states another size for an image than an earlier one.

    Args:
        name: of the source, for messages.
        record: about the same image.
        first: the image as the earlier record states it.
        first_id: id of the earlier record.

    Raises:
        InputError: the sizes differ.
    """
    size = record.image.width, record.image.height
    if size != (first.width, first.height):
        raise InputError(
            f"{name}: records about one image must state one size, got {first.width} x {first.height} px in record "
            f"{one_line(first_id)!r} and {size[0]} x {size[1]} px in {one_line(record.id)!r}, both about "
            f"{record.image.file!r}: correct them"
        )
