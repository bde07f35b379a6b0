"""MUSE (PixelLM, arXiv 2312.02228): a list of pictures with questions, each with a list of answered objects.

A picture is {file_name or coco_url, height, width, questions: [text], answers: [[{segmentation, rephrased_name or
category_name, ...}]]}; the training file also holds pictures without questions. Each question becomes a record; objects
of the same name belong to one phrase.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from instructsam.data.formats.outlines import read_instance
from instructsam.data.formats.source import Node, Tally, end_of_url, image_ref, read_json
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record

NO_QUESTION = "pictures without a question"
NO_MASK = "questions with an object whose mask is missing, damaged or without a pixel"


def read_muse(path: Path, images: str, tally: Tally) -> Iterator[Record]:
    """Records of muse_val.json or of a test file; `images` is relative to the data folder."""
    for number, item in enumerate(read_json(path, packed="segmentation").items()):
        image = image_ref(f"{images}/{_picture(item)}", item)
        if item.get("questions") is None:
            tally.leave_out(NO_QUESTION)
            continue
        questions, answers = list(item["questions"].items()), list(item["answers"].items())
        if len(questions) != len(answers):
            raise item["answers"].wrong(f"as many answers as questions ({len(questions)})")
        for index, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            phrases = _phrases(answer, question, image, tally)
            if phrases is None:
                tally.leave_out(NO_MASK)
                continue
            yield Record(f"{path.stem}-{number}-{index}", image, question.text(), phrases)


def muse_images(path: Path, images: str) -> list[str]:
    """The pictures that have a question."""
    items = read_json(path, packed="segmentation").items()
    return [f"{images}/{_picture(item)}" for item in items if item.get("questions") is not None]


def _picture(item: Node) -> str:
    """`file_name` lies in train2014; `coco_url` ends in its folder and name."""
    name = item.get("file_name")
    if name is not None:
        return f"train2014/{name.path()}"
    return end_of_url(item["coco_url"])


def _phrases(answer: Node, question: Node, image: ImageRef, tally: Tally) -> tuple[PhraseRecord, ...] | None:
    groups: dict[str, list[InstanceRecord]] = {}
    for item in answer.items():
        name = (item.get("rephrased_name") or item["category_name"]).text()
        instance = read_instance(item.get("segmentation"), image, tally, name)
        if instance is None:
            return None
        groups.setdefault(name, []).append(instance)
    found = tuple(PhraseRecord(name, tuple(group)) for name, group in groups.items())
    return found or (PhraseRecord(question.text(), ()),)
