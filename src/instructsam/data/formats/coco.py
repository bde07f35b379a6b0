"""COCO and LVIS by category, SA-Co Gold and Silver, and COCO's masks for formats that refer to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from instructsam.data.formats.boxes import mask_or_box
from instructsam.data.formats.licences import licence_of, stated_licences
from instructsam.data.formats.names import COCO, CocoStyle
from instructsam.data.formats.outlines import Code, read_instance
from instructsam.data.formats.source import Node, Tally, end_of_url, image_ref, joined, read_json
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record
from instructsam.data.regions import region_code
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import RecordError
from instructsam.structures.masks import merge_rles

NO_MASK = "instructions with an instance whose mask is missing, damaged or without a pixel"
ONLY_CROWDS = "instructions whose only targets are crowd or ignored regions"
NOT_EXHAUSTIVE = "(picture, category) pairs that are not annotated exhaustively"
NOT_EXHAUSTIVE_PHRASE = "(picture, phrase) pairs that some annotator did not annotate exhaustively"


class CocoFile:
    """A file with images, annotations and maybe categories, looked up by id.

    Args:
        path: the file.
        images: folder of the pictures, relative to the data folder.
        style: how the data set names categories and files.
    """

    def __init__(self, path: Path, images: str, style: CocoStyle = COCO) -> None:
        self.path, self.folder, self.style = path, images, style
        self.top = read_json(path, packed="segmentation")
        self.images = self._by_id("images")
        self.annotations = self._by_id("annotations")
        self.categories = self._by_id("categories") if "categories" in self.top.value else {}
        self._names: dict[int | str, str] = {}
        self._named: dict[Any, InstanceRecord | None] = {}  # many expressions name one annotation

    def _by_id(self, field: str) -> dict[Any, Node]:
        found: dict[Any, Node] = {}
        for item in self.top[field].items():
            key = item["id"].key()
            if key in found:
                raise item["id"].wrong(f"an id that {field} uses once")
            found[key] = item
        return found

    def of_image(self) -> dict[Any, list[Node]]:
        """Annotations by image id."""
        result: dict[Any, list[Node]] = {key: [] for key in self.images}
        for annotation in self.annotations.values():
            image_id = annotation["image_id"]
            if image_id.key() not in result:
                raise image_id.wrong("the id of one of the images")
            result[image_id.key()].append(annotation)
        return result

    def forget_annotations(self) -> None:
        """Leave the annotations to the caller alone, which can free those that it has read."""
        self.annotations.clear()
        self.top.value["annotations"] = []

    def image(self, image_id: Node) -> ImageRef:
        """The picture that a field names by id."""
        found = self.images.get(image_id.key())
        if found is None:
            raise image_id.wrong(f"the id of an image in {self.path}")
        return self.picture(found)

    def picture(self, image: Node) -> ImageRef:
        """`file_name`, or as in LVIS the end of `coco_url` (train2017/0001.jpg)."""
        return image_ref(joined(self.folder, self.style.file(_file(image))), image)

    def instance(self, annotation_id: Node, tally: Tally) -> InstanceRecord | None:
        """The object that a field names by id; None when it has no usable mask."""
        key = annotation_id.key()
        if key not in self._named:
            found = self.annotations.get(key)
            if found is None:
                raise annotation_id.wrong(f"the id of an annotation in {self.path}")
            self._named[key] = self.read_instance(found, self.image(found["image_id"]), tally)
        return self._named[key]

    def read_instance(self, annotation: Node, image: ImageRef, tally: Tally) -> InstanceRecord | None:
        """The object of an annotation; None when it has no usable mask, nor a box where boxes are used."""
        if self.style.boxes:
            box = annotation.get("bbox")
            return mask_or_box(annotation.get("segmentation"), box, image, tally, self.category(annotation))
        return read_instance(annotation.get("segmentation"), image, tally, self.category(annotation))

    def category(self, annotation: Node) -> str:
        """The category's name, "" in files without categories."""
        if not self.categories:
            return ""
        number = annotation["category_id"]
        if number.key() not in self.categories:
            raise number.wrong("the id of one of the categories")
        return self.name(number.key())

    def name(self, number: int | str) -> str:
        """The name of a category that is there."""
        if number not in self._names:
            self._names[number] = self.style.name(self.categories[number])
        return self._names[number]

    def instances(
        self, annotations: Sequence[Node], image: ImageRef, tally: Tally
    ) -> tuple[InstanceRecord, ...] | None:
        """None when one of them has no usable mask: the answer is then unknown."""
        found = [self.read_instance(annotation, image, tally) for annotation in annotations]
        return None if None in found else tuple(instance for instance in found if instance is not None)


def coco_images(path: Path, images: str, style: CocoStyle = COCO) -> list[str]:
    """The pictures of a file, with or without annotations."""
    top = read_json(path, packed="segmentation")
    return [joined(images, style.file(_file(item))) for item in top["images"].items()]


def coco_licences(path: Path, images: str, style: CocoStyle = COCO) -> dict[str, str]:
    """The licence of each picture of a file, "" for an unknown one."""
    top = read_json(path, packed="segmentation")
    licences = stated_licences(top)
    return {
        joined(images, style.file(_file(item))): licence_of(item, licences) for item in top["images"].items()
    }


def _file(image: Node) -> str:
    name = image.get("file_name")
    return end_of_url(image["coco_url"]) if name is None else name.path()


def read_categories(
    path: Path, images: str, tally: Tally, style: CocoStyle = COCO, vocabulary: Vocabulary | None = None
) -> Iterator[Record]:
    """COCO, LVIS and their like: for each picture, one instruction per category that it has, its name the instruction.

    Crowds become crowd regions; a category with only crowds in a picture is left out, since it is neither present
    nor absent. In LVIS a category that is not annotated exhaustively in a picture is left out, and each of its
    `neg_category_ids` is an instruction without target.

    Args:
        vocabulary: learns which picture shows which category, for sets that annotate each category everywhere.
    """
    coco = CocoFile(path, images, style)
    if vocabulary is not None:
        for number in coco.categories:
            vocabulary.add(coco.name(number))
    by_image = coco.of_image()
    coco.forget_annotations()
    for image_id, item in coco.images.items():
        image = coco.picture(item)
        groups: dict[Any, list[Node]] = {}
        for annotation in by_image.pop(image_id):
            groups.setdefault(annotation["category_id"].whole(), []).append(annotation)
        if vocabulary is not None:
            vocabulary.see(image.file, (coco.name(number) for number in groups if number in coco.categories))
        partial = _ids(item, "not_exhaustive_category_ids")
        for number in sorted(set(groups) & partial):
            tally.leave_out(NOT_EXHAUSTIVE)
            del groups[number]
        for number in _ids(item, "neg_category_ids") - set(groups) - partial:
            groups[number] = []
        for number in sorted(groups):
            record = _category_record(coco, image, f"{image_id}-{number}", number, groups[number], tally)
            if record is not None:
                yield record


def _category_record(
    coco: CocoFile, image: ImageRef, name: str, number: Any, annotations: Sequence[Node], tally: Tally
) -> Record | None:
    if number not in coco.categories:
        raise RecordError(
            f"{coco.path}: picture {image.file} names the category {number}, which categories lack"
        )
    text = coco.name(number)
    objects, crowds = _objects_and_crowds(annotations)
    if crowds and not objects:
        tally.leave_out(ONLY_CROWDS)
        return None
    instances = coco.instances(objects, image, tally)
    regions = coco.instances(crowds, image, tally)
    if instances is None or regions is None:
        tally.leave_out(NO_MASK)
        return None
    phrase = PhraseRecord(text, instances)
    return Record(name, image, text, (phrase,), crowds=tuple(_crowd(region, image) for region in regions))


def read_concepts(paths: Sequence[Path], images: str, tally: Tally) -> Iterator[Record]:
    """SA-Co: each entry of `images` is a (picture, noun phrase) pair with `text_input`, negative without annotation.

    Args:
        paths: one file per annotator; the first is the annotation, the others alternatives.
    """
    files = [CocoFile(path, images) for path in paths]
    grouped = [file.of_image() for file in files]
    first = files[0]
    order: dict[str, list[Any]] = {}
    for key, item in first.images.items():
        order.setdefault(first.picture(item).file, []).append(key)
    for keys in order.values():
        for key in keys:
            item = first.images[key]
            if not all(_exhaustive(file, key) for file in files):
                tally.leave_out(NOT_EXHAUSTIVE_PHRASE)
                continue
            annotations = [group.get(key, []) for group in grouped]
            record = _concept_record(files, item, annotations, tally)
            if record is not None:
                yield record


def _concept_record(
    files: Sequence[CocoFile], item: Node, annotations: Sequence[Sequence[Node]], tally: Tally
) -> Record | None:
    """One (picture, noun phrase) pair with each annotator's instances; the crowds are those of the first annotator."""
    image, text = files[0].picture(item), item["text_input"].text()
    parts = [_objects_and_crowds(found) for found in annotations]
    if any(crowds and not objects for objects, crowds in parts):
        tally.leave_out(ONLY_CROWDS)
        return None
    regions = files[0].instances(parts[0][1], image, tally)
    answers = [file.instances(part[0], image, tally) for file, part in zip(files, parts, strict=True)]
    known = [answer for answer in answers if answer is not None]
    if regions is None or len(known) < len(answers):
        tally.leave_out(NO_MASK)
        return None
    return Record(
        item["id"].name(),
        image,
        text,
        (PhraseRecord(text, known[0]),),
        crowds=tuple(_crowd(region, image) for region in regions),
        alternatives=tuple(known[1:]),
    )


def _exhaustive(file: CocoFile, key: Any) -> bool:
    """A missing flag means true; a picture that another annotator has not annotated is not exhaustive."""
    item = file.images.get(key)
    flag = None if item is None else item.get("is_instance_exhaustive")
    return item is not None and (flag is None or flag.flag())


def _objects_and_crowds(annotations: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    objects: list[Node] = []
    crowds: list[Node] = []
    for annotation in annotations:
        (crowds if is_crowd(annotation) else objects).append(annotation)
    return objects, crowds


def _crowd(region: InstanceRecord, image: ImageRef) -> Code:
    return merge_rles([region_code(region, image)]) if region.rle is None else region.rle


def is_crowd(annotation: Node) -> bool:
    """Whether it is a crowd (COCO's or SA-Co's key) or a region to ignore."""
    flags = (annotation.get(name) for name in ("iscrowd", "is_crowd", "ignore"))
    return any(flag.flag() for flag in flags if flag is not None)


def _ids(item: Node, field: str) -> set[int]:
    found = item.get(field)
    return set() if found is None else {number.whole() for number in found.items()}
