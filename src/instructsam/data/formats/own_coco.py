"""A COCO file of one's own: categories as instructions, and instructions of its own.

Files of CVAT, Label Studio and Roboflow are read as they are exported; docs/own_data.md lists what is accepted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instructsam.data.formats.boxes import read_box
from instructsam.data.formats.coco import is_crowd
from instructsam.data.formats.image_finder import ImageFinder
from instructsam.data.formats.labelled import (
    CategoryRecords,
    LabelledObject,
    instance_from,
    instruction_record,
)
from instructsam.data.formats.licences import licence_of, stated_licences
from instructsam.data.formats.names import spoken
from instructsam.data.formats.own_instructions import read_instructions, stated_instructions
from instructsam.data.formats.reader import ReadOptions
from instructsam.data.formats.source import Node, Tally, read_json, sized_image
from instructsam.data.record import ImageRef, Record
from instructsam.data.vocabulary import Vocabulary, named_in
from instructsam.errors import ImageError, RecordError
from instructsam.images.loader import read_size
from instructsam.structures.file_names import find_file

NO_SIZE = "images that cannot be read and whose size is not stated"


@dataclass(frozen=True)
class _Annotation:
    key: str
    node: Node
    item: LabelledObject


class OwnCocoFile:
    """A COCO file; ids are numbers or text.

    Args:
        path: the file.
        images: finds its images.
        instructions: file of (image, instruction, annotation ids), or None.
        options: wordings of categories.
        vocabulary: learns which image shows which category.
    """

    def __init__(
        self,
        path: Path,
        images: ImageFinder,
        instructions: Path | None,
        options: ReadOptions,
        vocabulary: Vocabulary,
    ) -> None:
        self.path, self.finder, self.options, self.vocabulary = path, images, options, vocabulary
        self.instructions = instructions
        self.licences: dict[str, str] = {}  # by image

    def read(self, tally: Tally) -> Iterator[Record]:
        """The records, image by image: those of its categories, then those of its own instructions."""
        top = read_json(self.path)
        images = _by_id(top, "images")
        names = self._categories(top)
        of_image = _of_image(top, images)
        brushed = _are_brush_masks(node for nodes in of_image.values() for node in nodes)
        used = {_category(node, names) for nodes in of_image.values() for node in nodes} - {""}
        licences = stated_licences(top)
        categories = CategoryRecords(
            [name for name in dict.fromkeys(names.values()) if name in used],
            self.options,
            self.vocabulary,
            tally,
        )
        listed = read_instructions(self.instructions, images) if self.instructions is not None else {}
        for key, item in images.items():
            image = self._image(item, tally)
            if image is None:
                continue
            self.licences[image.file] = licence_of(item, licences)
            found = [
                _Annotation(node["id"].name(), node, _read_object(node, names, image, tally, brushed))
                for node in of_image[key]
            ]
            objects = {annotation.key: annotation.item for annotation in found}
            own = [
                *stated_instructions(item, [(annotation.key, annotation.node) for annotation in found]),
                *listed.get(key, ()),
            ]
            records = categories.of_image(key, image, list(objects.values()))
            yield from (record for record in records if record.phrases[0].instances or not own)
            for number, instruction in enumerate(own):
                chosen = instruction.chosen(objects, image.file)
                record = instruction_record(f"{key}/text-{number}", image, instruction.text, chosen, tally)
                if record is not None:
                    yield record
                if chosen:  # "dogs" may mean what is labelled "husky": then "dog" is not absent
                    self.vocabulary.see(image.file, named_in(instruction.text, used))

    def _categories(self, top: Node) -> dict[str, str]:
        """Category names by id; the vocabulary learns them."""
        names: dict[str, str] = {}
        for key, item in _by_id(top, "categories").items() if "categories" in top.value else ():
            names[key] = spoken(item["name"].text())
            group = item.get("supercategory")
            stated = spoken(group.text()) if group is not None and str(group.value).strip() else ""
            self.vocabulary.add(names[key], "" if stated.lower() in ("none", names[key].lower()) else stated)
        return names

    def _image(self, item: Node, tally: Tally) -> ImageRef | None:
        """The image of an entry, its size from its file where the entry states none.

        Raises:
            RecordError: the size is unknown, and missing images are not skipped.
        """
        file = self.finder.find(item["file_name"])
        height, width = item.get("height"), item.get("width")
        if height is not None and width is not None and height.value and width.value:
            return sized_image(file, height, width)
        path = find_file(self.finder.folder, file)
        try:
            return ImageRef(file, *read_size(path))
        except ImageError as error:
            if not self.options.skip_missing:
                raise RecordError(
                    f"{item.at()}: height and width are not stated, and the image cannot be read: {error}; state them, "
                    "or put the image there"
                ) from error
            tally.leave_out(NO_SIZE, example=str(error))
            return None


def _read_object(
    node: Node, names: dict[str, str], image: ImageRef, tally: Tally, brushed: bool
) -> LabelledObject:
    category = _category(node, names)
    instance = instance_from(node.get("segmentation"), read_box(node.get("bbox")), image, category, tally)
    return LabelledObject(category, instance, is_crowd(node) and not brushed)


def _by_id(top: Node, field: str) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for item in top[field].items():
        key = item["id"].name()
        if key in found:
            raise item["id"].wrong(f"an id that {field} uses once")
        found[key] = item
    return found


def _of_image(top: Node, images: dict[str, Node]) -> dict[str, list[Node]]:
    result: dict[str, list[Node]] = {key: [] for key in images}
    for node in _by_id(top, "annotations").values():
        image = node["image_id"]
        if image.name() not in result:
            raise image.wrong("the id of one of the images")
        result[image.name()].append(node)
    return result


def _category(node: Node, names: dict[str, str]) -> str:
    """The category's name; "" in a file without categories, and for null."""
    if not names or node.value.get("category_id", "") is None:
        return ""
    number = node["category_id"]
    if number.name() not in names:
        raise number.wrong("the id of one of the categories")
    return names[number.name()]


def _are_brush_masks(nodes: Iterator[Node]) -> bool:
    """Whether crowds are brush masks of single objects: CVAT marks every run-length code `iscrowd`."""
    codes = [node for node in nodes if isinstance(node.value.get("segmentation"), dict)]
    is_cvat = [
        isinstance(node.value.get("attributes"), dict) and "occluded" in node.value["attributes"]
        for node in codes
    ]
    marked = [is_crowd(node) for node in codes]
    if not codes or not all(is_cvat) or not all(marked):
        return False
    logging.getLogger(__name__).warning(
        "%s: all %d run-length codes are marked iscrowd, as CVAT marks brush masks: each is taken as one object",
        codes[0].file,
        len(codes),
    )
    return True
