"""RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO: referring expressions about COCO's train2014 pictures; and RefCLEF.

A folder holds `instances.json` (COCO's, with the masks) and the expressions: refs(SPLITTER).p for the first three
(parsed without executing anything, see `plain_objects`; the same list as refs(SPLITTER).json also works), and
grefs(unc).json for gRefCOCO. A ref is {ref_id, image_id, ann_id, split, sentences: [{sent_id, sent}]}; in gRefCOCO
ann_id is a list, [-1] or `no_target` for none. Each sentence becomes a record. RefCLEF has pictures of
saiapr_tc-12 and run-length codes as masks; a reference of its split testAB belongs to testA and to testB.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from instructsam.data.formats.coco import CocoFile
from instructsam.data.formats.plain_objects import read_plain_objects
from instructsam.data.formats.source import Node, Tally, read_json
from instructsam.data.record import InstanceRecord, PhraseRecord, Record
from instructsam.errors import RecordError
from instructsam.structures.checks import shorten

OTHER_SPLIT = "references of other splits"
NO_MASK = "expressions with a target whose mask is missing, damaged or without a pixel"


class NoSuchSplitError(RecordError):
    """The file is complete, but has no reference of the split."""


def read_refs(folder: Path, splitter: str, split: str, images: str, tally: Tally) -> Iterator[Record]:
    """Records of one split, those of one picture after one another.

    Args:
        folder: holds instances.json and refs(splitter).p or .json.
        splitter: "unc", "google" or "umd".
        split: "train", "val", "test", "testA" or "testB".
        images: folder of the pictures, relative to the data folder.
    """
    refs = _references(folder, splitter)
    yield from _records(refs, CocoFile(folder / "instances.json", images), split, tally)


def read_grefs(folder: Path, split: str, images: str, tally: Tally) -> Iterator[Record]:
    """Records of one split of gRefCOCO, from grefs(unc).json and instances.json."""
    refs = read_json(folder / "grefs(unc).json")
    yield from _records(refs, CocoFile(folder / "instances.json", images), split, tally)


def ref_images(folder: Path, splitter: str, split: str) -> list[int | str]:
    """Ids of the pictures of one split; see `read_refs`."""
    path = folder / f"refs({splitter}).json"
    path = path if path.is_file() else path.with_suffix(".p")
    return _images_of_split(path, _modified(path), split)


def gref_images(folder: Path, split: str) -> list[int | str]:
    """Ids of the pictures of one split of gRefCOCO."""
    path = folder / "grefs(unc).json"
    return _images_of_split(path, _modified(path), split)


def coco_image(number: int | str) -> str:
    """The file of a picture of COCO's train2014, relative to the data folder."""
    return f"coco/train2014/COCO_train2014_{number:0>12}.jpg"


def _images_of_split(path: Path, modified: int, split: str) -> list[int | str]:
    found = _images_by_split(path, modified)
    numbers = [number for name, part in found.items() if _is_in(name, split) for number in part]
    return list(dict.fromkeys(numbers))


@lru_cache(maxsize=8)  # every split is listed, and parsing takes seconds
def _images_by_split(path: Path, modified: int) -> dict[str, tuple[int | str, ...]]:
    found: dict[str, dict[int | str, None]] = {}
    for ref in _parse(path).items():
        found.setdefault(ref["split"].text(), {})[ref["image_id"].key()] = None
    return {split: tuple(numbers) for split, numbers in found.items()}


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


def _references(folder: Path, splitter: str) -> Node:
    path = folder / f"refs({splitter}).json"
    return _parse(path if path.is_file() else path.with_suffix(".p"))


def _parse(path: Path) -> Node:
    return Node(read_plain_objects(path), path) if path.suffix == ".p" else read_json(path)


def _is_in(found: str, split: str) -> bool:
    """Whether a reference of split `found` belongs to `split`: RefCLEF's testAB is both testA and testB."""
    return found == split or (
        split[:-1] == "test"
        and len(found) > len(split)
        and found.startswith("test")
        and split[-1] in found[4:]
    )


def _records(refs: Node, coco: CocoFile, split: str, tally: Tally) -> Iterator[Record]:
    by_image: dict[str, list[Node]] = {}
    splits = set()
    for ref in refs.items():
        splits.add(ref["split"].text())
        if not _is_in(ref["split"].text(), split):
            tally.leave_out(OTHER_SPLIT)
            continue
        by_image.setdefault(ref["image_id"].name(), []).append(ref)
    if not by_image:
        known = shorten(", ".join(sorted(splits)) or "none").strip("'")
        raise NoSuchSplitError(f"{refs.file}: no reference of the split {split!r}; the file has {known}")
    for group in by_image.values():
        for ref in group:
            yield from _sentences(ref, coco, tally)


def _sentences(ref: Node, coco: CocoFile, tally: Tally) -> Iterator[Record]:
    image = coco.image(ref["image_id"])
    sentences = list(ref["sentences"].items())
    instances: list[InstanceRecord] = []
    for number in _annotation_ids(ref):
        instance = coco.instance(number, tally)
        if instance is None:
            tally.leave_out(NO_MASK, len(sentences))
            return
        instances.append(instance)
    for sentence in sentences:
        text = (sentence.get("sent") or sentence["raw"]).text()
        name = f"{ref['ref_id'].name()}-{sentence['sent_id'].name()}"
        yield Record(name, image, text, (PhraseRecord(text, tuple(instances)),))


def _annotation_ids(ref: Node) -> list[Node]:
    nothing = ref.get("no_target")
    if nothing is not None and nothing.flag():
        return []
    value = ref["ann_id"]
    numbers = list(value.items()) if isinstance(value.value, list | tuple) else [value]
    if not numbers:  # [-1] means no target; an empty list is ambiguous
        raise value.wrong("ids of annotations, or [-1] for no target")
    unique = {number.key(): number for number in numbers}
    return [] if list(unique) == [-1] else list(unique.values())
