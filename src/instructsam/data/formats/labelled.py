"""Labelled objects of images as records: one instruction for each category that an image shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from instructsam.data.formats.boxes import Box, clip_box
from instructsam.data.formats.coco import NO_MASK, ONLY_CROWDS
from instructsam.data.formats.outlines import DAMAGED, Code, DamagedMaskError, instance_of, mask_of
from instructsam.data.formats.reader import ReadOptions
from instructsam.data.formats.source import Node, Tally
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record
from instructsam.data.regions import region_code
from instructsam.data.templates import Wording
from instructsam.data.vocabulary import Vocabulary
from instructsam.structures.masks import merge_rles

BOX_INSTEAD = "damaged or empty masks, of whose objects the boxes are used instead"
FAR_OUT = "parts of boxes that reach far outside their images (are they corners, not width and height?)"
NO_OBJECTS = "images without objects"
NO_CATEGORY = "objects without a category, of which no instruction is made"
CATEGORY = "category"  # family of records whose instruction is a category

_FAR = 0.1  # of a side of the image


@dataclass(frozen=True)
class LabelledObject:
    """An object of an image with its category, or a crowd of such objects.

    Attributes:
        category: "" if unknown.
        instance: None where neither its mask nor its box can be used.
        crowd: whether it is a region with several objects, which is no target.
    """

    category: str
    instance: InstanceRecord | None
    crowd: bool = False


class CategoryRecords:
    """The records of a source whose objects have categories, one image at a time.

    Args:
        used: categories of all objects of the source, in their order.
        options: wordings and their seed.
        vocabulary: learns which image shows which category.
        tally: counts what is left out.
    """

    def __init__(
        self, used: Iterable[str], options: ReadOptions, vocabulary: Vocabulary, tally: Tally
    ) -> None:
        self.used = tuple(used)
        self._order = {category: place for place, category in enumerate(self.used)}
        self.options, self.vocabulary, self.tally = options, vocabulary, tally
        self.wording = Wording(options.templates, options.seed, self.used)

    def of_image(self, key: str, image: ImageRef, objects: Sequence[LabelledObject]) -> Iterator[Record]:
        """One record for each category; for an image without objects one without target, if negatives are wanted.

        Args:
            key: the first part of the records' ids.
        """
        by_category: dict[str, list[LabelledObject]] = {}
        for item in objects:
            if item.category:
                by_category.setdefault(item.category, []).append(item)
        unnamed = sum(not item.category for item in objects)
        if not unnamed:  # otherwise no category is known to be absent
            self.vocabulary.see(image.file, by_category)
        if not self.options.templates:
            return
        self.tally.leave_out(NO_CATEGORY, unnamed, example=image.file)
        for category in sorted(by_category, key=self._order.__getitem__):
            phrase = targets(category, by_category[category], self.tally)
            if phrase is not None:
                yield self._record(f"{key}/{category}", image, phrase, crowds(by_category[category], image))
        if not objects and self.used and self.options.negatives:
            category = self.used[self._draw(image.file)]
            yield self._record(f"{key}/{category}", image, PhraseRecord(category, ()), ())
        elif not objects:
            self.tally.leave_out(NO_OBJECTS)

    def _record(self, key: str, image: ImageRef, phrase: PhraseRecord, regions: tuple[Code, ...]) -> Record:
        text = self.wording.instruction(image.file, phrase.text)
        return Record(key, image, text, (phrase,), CATEGORY, crowds=regions)

    def _draw(self, image: str) -> int:
        digest = hashlib.blake2b(
            f"{self.options.seed}\0{image}".encode(errors="surrogatepass"), digest_size=8
        )
        return int.from_bytes(digest.digest(), "big") % len(self.used)


def instruction_record(
    key: str, image: ImageRef, text: str, objects: Sequence[LabelledObject], tally: Tally
) -> Record | None:
    """The record of an instruction with these targets; None, counted, where the answer is not known.

    It has one phrase for each category of its targets, and the text itself where there is none.
    """
    groups: dict[str, list[LabelledObject]] = {}
    for item in objects:
        groups.setdefault(item.category or text, []).append(item)
    phrases = [targets(name, items, tally) for name, items in groups.items()] or [PhraseRecord(text, ())]
    known = tuple(phrase for phrase in phrases if phrase is not None)
    return (
        Record(key, image, text, known, crowds=crowds(objects, image)) if len(known) == len(phrases) else None
    )


def targets(text: str, objects: Sequence[LabelledObject], tally: Tally) -> PhraseRecord | None:
    """The phrase with these objects as its instances; None, counted, where the answer is not known."""
    instances = [item.instance for item in objects if not item.crowd]
    known = tuple(instance for instance in instances if instance is not None)
    if len(known) < len(instances) or any(item.instance is None for item in objects):
        tally.leave_out(NO_MASK)
        return None
    if objects and not instances:
        tally.leave_out(ONLY_CROWDS)
        return None
    return PhraseRecord(text, known)


def crowds(objects: Sequence[LabelledObject], image: ImageRef) -> tuple[Code, ...]:
    """The regions of the crowds among these objects."""
    return tuple(
        merge_rles([region_code(item.instance, image)])
        for item in objects
        if item.crowd and item.instance is not None
    )


def instance_from(
    segmentation: Node | None, box: Box | None, image: ImageRef, category: str, tally: Tally
) -> InstanceRecord | None:
    """The object of a mask, or else of a box; None without either.

    Args:
        segmentation: the mask in any published notation.
        box: x, y, width, height in pixels; the part inside the image counts.
    """
    fault = ""
    try:
        code = mask_of(segmentation, image, tally)
    except DamagedMaskError as error:
        code, fault = None, str(error)
    instance = None if code is None else instance_of(code, category)
    if instance is not None:
        return instance
    clipped = None if box is None else clip_box(box, image)
    if box is not None and _reaches_far(box, image):
        tally.leave_out(FAR_OUT, example=f"{box} in {image.file}, {image.width} x {image.height} px")
    is_given = bool(fault) or code is not None
    if clipped is None:
        if is_given:
            tally.leave_out(DAMAGED, example=fault)
        return None
    if is_given:
        tally.leave_out(BOX_INSTEAD, example=fault)
    return InstanceRecord(None, clipped, category)


def _reaches_far(box: Box, image: ImageRef) -> bool:
    x, y, width, height = box
    right, bottom = _FAR * image.width, _FAR * image.height
    return x < -right or y < -bottom or x + width > image.width + right or y + height > image.height + bottom
