"""The check of a source: counts, doubts, images and the page, on small sets made by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.formats.reader import RecordReader
from instructsam.data.image_store import FolderImages
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record
from instructsam.data.vocabulary import Vocabulary
from instructsam.experiments.data_check.check import check_source
from instructsam.experiments.data_check.limits import ModelLimits
from instructsam.experiments.data_check.page import check_template, render_page
from instructsam.experiments.data_check.pictures import PictureChoice, draw_record, kind_of
from instructsam.experiments.data_check.report import DataReport
from instructsam.experiments.data_check.selection import Selection, digest_of
from instructsam.experiments.data_check.statistics import quantile
from instructsam.experiments.data_check.world_records import world_reader
from instructsam.structures.masks import encode_rle
from instructsam.world.splits.stream import WorldSettings

SIZE = (40, 60)
LIMITS = ModelLimits(num_queries=2, max_instruction_tokens=5, count_tokens=lambda text: len(text.split()))


def mask_of(left: int, top: int, width: int, height: int, category: str = "mug") -> InstanceRecord:
    """A rectangle with its mask and box."""
    mask = np.zeros(SIZE, np.bool_)
    mask[top : top + height, left : left + width] = True
    return InstanceRecord(encode_rle(mask), (float(left), float(top), float(width), float(height)), category)


def record(
    name: str, text: str, objects: Sequence[InstanceRecord] = (), file: str = "a.jpg", **more: object
) -> Record:
    """One instruction with one phrase."""
    found = Record(name, ImageRef(file, *SIZE), text, (PhraseRecord(text, tuple(objects)),))
    return replace(found, **more)  # type: ignore[arg-type]


def save(folder: Path, *files: str) -> None:
    """Different images of the records' size."""
    for number, file in enumerate(files):
        pixels = np.random.default_rng(number).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / file)


def check(folder: Path, records: Iterable[Record], **options: object) -> DataReport:
    """The report of records whose images are in a folder."""
    kept = list(records)
    reader = RecordReader("shop", "records by hand", FolderImages(folder), lambda _: iter(kept))
    return check_source(reader, **options)  # type: ignore[arg-type]


def texts(report: DataReport) -> dict[str, int]:
    """The findings by their texts."""
    return {finding.text: finding.count for finding in report.findings}


def test_counts_everything_that_the_records_hold(tmp_path: Path) -> None:
    save(tmp_path, "a.jpg", "b.jpg")
    box = InstanceRecord(None, (1.0, 1.0, 9.0, 9.0), "cup")
    point = InstanceRecord(None, None, "cup", (30.0, 20.0))
    crowd = mask_of(30, 0, 20, 20).rle
    report = check(
        tmp_path,
        [
            record("1", "the mugs", [mask_of(0, 0, 10, 10), mask_of(20, 0, 10, 10)]),
            record("2", "the big red cup", [box], crowds=(crowd,)),
            record("3", "a cup", [point], file="b.jpg"),
            record("4", "the dog", file="b.jpg"),
        ],
    )
    assert report.is_usable
    assert (report.census.records, report.census.images, report.census.no_target) == (4, 2, 1)
    facts = dict(report.facts())
    assert facts["objects"] == "2 by mask, 1 by box, 1 by point"
    assert facts["ignored"] == "1 crowds, 0 records with ignored pixels"
    assert facts["targets"] == "per instruction: 0: 1, 1: 2, 2 or more: 1; at most 2 in a phrase"
    assert facts["images"] == "2, all 60 x 40 px; longer side up to 256 px: 2"
    assert facts["length in words"] == "shortest: 2, median: 2, 95%: 4, longest: 4"
    assert facts["categories"] == "2; most frequent: mug: 2, cup: 2"
    assert texts(report) == {}
    assert report.notes == ()
    assert next(report.lines()) == "shop: 4 records, 4 phrases, 4 instances, 1 without target"
    document = report.to_dict()
    assert document["known"] == {"mask": 2, "box": 1, "point": 1}
    assert document["targets"] == {"0": 1, "1": 2, "2": 1}


def test_names_what_to_doubt(tmp_path: Path) -> None:
    save(tmp_path, "a.jpg", "b.jpg")
    mug, other = mask_of(0, 0, 10, 10), mask_of(20, 5, 12, 12)
    report = check(
        tmp_path,
        [
            record("tiny", "the crumb", [mask_of(5, 5, 3, 5)]),
            record("full", "the table", [mask_of(0, 0, 60, 40)]),
            record("twice", "the mugs", [mug, mug]),
            record("overlap", "all mugs", [mug, mask_of(0, 0, 10, 10), mask_of(0, 0, 10, 10)]),
            record("misfit", "that mug", [replace(mug, box_xywh=(30.0, 20.0, 10.0, 10.0))]),
            record("outside", "one mug", [replace(mug, box_xywh=(-0.5, 0.0, 10.0, 10.0))]),
            record("again", "the  Mugs", [mug]),
            record("same again", "THAT mug", [mug]),
            record("side", "the leftmost mug", [mug]),
            record("number", "the mug that says 42", [mug]),
            record("long", "one two three four five six", [mug]),
            record("many", "mugs", [mug, other, mask_of(40, 20, 10, 10)]),
            record("turned", "a mug", file="a.jpg", image=ImageRef("a.jpg", SIZE[1], SIZE[0])),
        ],
        limits=LIMITS,
    )
    assert texts(report) == {
        "objects of less than 16 px": 1,
        "objects that cover almost the whole image": 1,
        "objects given twice in one phrase": 3,
        "boxes that do not fit their masks": 1,
        "boxes that leave their image": 1,
        "instructions that repeat one about the same image": 2,
        "instructions with side words (left, right)": 1,
        "instructions whose images are never mirrored": 1,
        "instructions or phrases longer than the model takes": 1,
        "phrases with more targets than the model has queries": 2,
        "records that state another size for an image than before": 1,
    }
    first = {finding.text: finding.first for finding in report.findings}
    assert first["objects of less than 16 px"] == "record 'tiny'"


def test_near_copies_of_a_mask_and_contradictions_are_found(tmp_path: Path) -> None:
    save(tmp_path, "a.jpg")
    almost = mask_of(0, 0, 30, 29)
    report = check(
        tmp_path,
        [
            record("1", "plates", [mask_of(0, 0, 30, 30), almost]),
            record("2", "plates", [mask_of(31, 0, 20, 20)]),
        ],
    )
    assert texts(report) == {
        "pairs of objects with almost the same mask in one phrase": 1,
        "instructions that repeat one about the same image with another answer": 1,
    }


def test_missing_unreadable_and_copied_images(tmp_path: Path) -> None:
    save(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    broken = bytearray((tmp_path / "b.jpg").read_bytes())
    (tmp_path / "broken.jpg").write_bytes(broken[: len(broken) // 2])
    files = ("a.jpg", "copy.jpg", "broken.jpg", "absent.jpg")
    found = [record(file, "mug", [mask_of(0, 0, 9, 9)], file) for file in files]
    for all_pixels in (False, True):
        report = check(tmp_path, found, all_pixels=all_pixels)
        assert not report.is_usable
        problems = list(report.problems())
        assert problems[0] == f"1 images are missing, such as {tmp_path / 'absent.jpg'}"
        assert problems[1].startswith("1 images cannot be read, such as ")
        assert "broken.jpg" in problems[1]
        assert report.decoded == 3
        assert texts(report) == {"images with the same bytes as another one": 1}
    blind = check(tmp_path, found, look_for_images=False)
    assert blind.is_usable
    assert blind.decoded == 0
    assert blind.census.images == 4


@pytest.mark.parametrize("categories", [("mug", "key"), ("mug",), None])
def test_a_source_without_negatives_gets_a_note(tmp_path: Path, categories: tuple[str, ...] | None) -> None:
    vocabulary = None if categories is None else Vocabulary()
    if vocabulary is not None and categories is not None:
        vocabulary.see("1.png", categories)
    reader = RecordReader(
        "shop",
        "",
        FolderImages(tmp_path),
        lambda _: iter([record("1", "mug", [mask_of(0, 0, 9, 9)])]),
        vocabulary,
    )
    (note,) = check_source(reader, look_for_images=False).notes
    assert note.startswith("no instruction is without target; ")
    assert ("data.negatives_per_positive" in note) == (categories == ("mug", "key"))


def test_pictures_are_of_every_kind_and_always_the_same(tmp_path: Path) -> None:
    files = [f"{number}.jpg" for number in range(30)]
    save(tmp_path, *files)
    one, two = [mask_of(0, 0, 9, 9)], [mask_of(0, 0, 9, 9), mask_of(20, 20, 9, 9)]
    answers: list[Sequence[InstanceRecord]] = [one] * 27 + [
        two,
        [],
        [InstanceRecord(None, (1.0, 1.0, 5.0, 5.0))],
    ]
    found = [record(file, "mug", objects, file) for file, objects in zip(files, answers, strict=True)]
    (tmp_path / files[3]).unlink()
    pictures = check(tmp_path, found, with_pictures=True).pictures
    assert len(pictures) == 12
    ids = [picture.id for picture in pictures]
    assert len(set(ids)) == 12
    assert {"27.jpg", "28.jpg", "29.jpg"} <= set(ids)
    again = check(tmp_path, reversed(found), with_pictures=True).pictures
    assert [picture.id for picture in again] == ids


def test_one_image_with_many_records_still_gives_pictures(tmp_path: Path) -> None:
    choice = PictureChoice(count=4)
    for number in range(9):
        choice.add(record(str(number), f"mug {number}", [mask_of(0, 0, 9, 9)]))
    assert len(list(choice.records())) >= 4


def test_kinds_tell_apart_what_is_known() -> None:
    mask, box = mask_of(0, 0, 9, 9), InstanceRecord(None, (1.0, 1.0, 5.0, 5.0))
    several = replace(
        record("1", "a and b", [mask]), phrases=(PhraseRecord("a", (mask,)), PhraseRecord("b", ()))
    )
    kinds = [
        kind_of(record("1", "a", [mask])),
        kind_of(record("1", "a", [mask, mask])),
        kind_of(record("1", "a", [mask, box])),
        kind_of(record("1", "a", [mask], crowds=(mask.rle,))),
        kind_of(record("1", "a", [], crowds=(mask.rle,))),
        kind_of(record("1", "a")),
        kind_of(several),
    ]
    assert len(set(kinds)) == len(kinds)


def test_the_page_escapes_text_and_needs_no_other_file(tmp_path: Path) -> None:
    save(tmp_path, "a.jpg")
    evil = "<script>alert(1)</script> the \u202emug"
    point = InstanceRecord(None, None, "<b>cup</b>", (30.0, 20.0))
    report = check(
        tmp_path,
        [record("<i>1</i>", evil, [mask_of(0, 0, 9, 9), point], crowds=(mask_of(40, 0, 20, 40).rle,))],
        with_pictures=True,
    )
    page = render_page(report, check_template())
    assert "<script" not in page
    assert "<b>cup" not in page
    assert "<i>1" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "1 mask, 1 point" in page
    assert "hatched: pixels that count for nothing" in page


def test_the_picture_shows_masks_boxes_points_and_ignored_pixels() -> None:
    grey = np.full((*SIZE, 3), 128, np.uint8)
    plain = draw_record(record("1", "mug"), grey).jpeg
    drawn = {
        plain,
        draw_record(record("1", "mug", [mask_of(0, 0, 9, 9)]), grey).jpeg,
        draw_record(record("1", "mug", [InstanceRecord(None, (30.0, 9.0, 9.0, 9.0))]), grey).jpeg,
        draw_record(record("1", "mug", [InstanceRecord(None, None, "", (30.0, 9.0))]), grey).jpeg,
        draw_record(record("1", "mug", ignore=mask_of(0, 0, 30, 30).rle), grey).jpeg,
    }
    assert len(drawn) == 5


def test_a_selection_does_not_depend_on_the_order() -> None:
    numbers = list(range(1000))
    chosen = []
    for order in (numbers, numbers[::-1]):
        selection: Selection[int] = Selection(5)
        for number in order:
            selection.add(digest_of(str(number)), number)
        chosen.append(selection.items())
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 5


def test_quantiles_are_values_that_occur() -> None:
    counts = {1: 90, 7: 9, 50: 1}
    assert [quantile(counts, share) for share in (0.0, 0.5, 0.95, 1.0)] == [1, 1, 7, 50]


def test_the_world_is_checked_like_any_source() -> None:
    settings = WorldSettings(short_sides=(64,), instructions_per_scene=2)
    report = check_source(world_reader(0, settings), limit=20, with_pictures=True)
    assert report.is_usable
    assert report.census.records == 20
    assert report.census.images == 10
    assert len(report.pictures) >= 10
    assert "only the first 20 records were read" in report.notes
    names = [item.instruction for item in islice(world_reader(0, settings).read(None), 4)]  # type: ignore[arg-type]
    assert names == [item.instruction for item in islice(world_reader(0, settings).read(None), 4)]  # type: ignore[arg-type]
