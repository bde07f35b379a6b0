"""The field's benchmarks from a data folder: found, counted, evaluated."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.data.formats.source import Tally
from instructsam.data.published import PUBLISHED, Census
from instructsam.data.record import Record
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.names import get_benchmark
from instructsam.evaluation.runner import evaluate
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction

from ..data.formats.helpers import picture, write
from ..data.formats.test_coco import RUNS, annotation, coco
from ..data.formats.test_refer import ref


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with gRefCOCO's validation split: one target, one instruction without, one broken mask."""
    empty = annotation(2, 4, 18, 0, 0, 1, 1, segmentation={"size": [6, 10], "counts": [60]})
    write(tmp_path / "grefcoco/instances.json", coco(annotation(1, 9, 18, 1, 1, 2, 2), empty))
    refs = [
        ref(1, 9, [1], "val", no_target=False),
        ref(2, 9, [-1], "val", "a cat", no_target=True),
        ref(3, 4, [2], "val", "x", no_target=False),
    ]
    write(tmp_path / "grefcoco/grefs(unc).json", refs)
    for name in ("9.jpg", "4.jpg"):
        picture(tmp_path / "coco/train2014" / name)
    return tmp_path


def test_names_are_unique_and_every_benchmark_says_who_publishes_it() -> None:
    names = [known.name for known in PUBLISHED]
    assert len(set(names)) == len(names)
    assert all(known.publisher and known.files and "://" not in known.publisher for known in PUBLISHED)
    assert {"refcoco/testA", "refcocog/val", "grefcoco/testB", "reasonseg/val", "lvis/val", "muse/val"} <= {
        *names
    }


def test_a_published_benchmark_is_read_from_its_own_files(folder: Path) -> None:
    benchmark = get_benchmark("grefcoco/val", folder)
    pairs = list(benchmark.iterate())
    assert [record.instruction for _, record in pairs] == ["left dog", "a cat"]
    assert pairs[0][0] is pairs[1][0]
    for _ in range(2):  # a second pass does not count twice
        list(benchmark.iterate())
    assert benchmark.tally.lines() == [
        "left out: 1 x expressions with a target whose mask is missing, damaged or without a pixel"
    ]


def test_what_was_left_out_stands_in_the_report(folder: Path) -> None:
    class Blank:
        score_threshold = 0.5
        default_mode = "generate"
        fingerprint = ""
        calls = None

        def segment(self, image: Image.Image, instructions: list[str], /, **_: Any) -> list[Prediction]:
            size = (image.height, image.width)
            empty = Instances.empty(*size)
            return [Prediction(empty, (), "", "no_target", text, size, image) for text in instructions]

    report = evaluate(Blank(), get_benchmark("grefcoco/val", folder))
    assert report.summary["overall"]["n_acc"] == 1.0
    assert report.notes == (
        "left out: 1 x expressions with a target whose mask is missing, damaged or without a pixel",
    )


def test_missing_files_and_names_are_said(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"grefcoco/val is read from its own files: name their folder with --data DIR"
    ):
        get_benchmark("grefcoco/val")
    with pytest.raises(
        InputError, match=r"refcoco/val needs refcoco/refs\(unc\).p, .* in the data folder .*REFER"
    ):
        get_benchmark("refcoco/val", folder)
    with pytest.raises(InputError, match=r"with --data DIR one of the field's, such as .*grefcoco/val"):
        get_benchmark("grefcoco/vall", folder)


def test_refs_as_json_are_not_missing(folder: Path) -> None:
    write(folder / "refcoco/refs(unc).json", [ref(1, 9, 1)])
    (folder / "refcoco/instances.json").write_bytes((folder / "grefcoco/instances.json").read_bytes())
    assert len(list(Benchmark.published(_known("refcoco/val"), folder).iterate())) == 1


@pytest.mark.parametrize(
    ("name", "file", "value", "images"),
    [
        ("coco/val2017", "coco/annotations/instances_val2017.json", None, "coco/val2017"),
        ("lvis/val", "lvis/lvis_v1_val.json", None, "coco"),
        (
            "saco-silver/fathomnet",
            "saco/silver/silver_fathomnet_test.json",
            "phrase",
            "saco/silver-images/fathomnet",
        ),
    ],
)
def test_declarations_join_files_and_pictures(
    tmp_path: Path, name: str, file: str, value: str | None, images: str
) -> None:
    crowd = annotation(2, 9, 18, 0, 0, 1, 1, segmentation=RUNS, iscrowd=1)
    text = {} if value is None else {"text_input": "a dog"}
    top = coco(annotation(1, 9, 18, 1, 1, 2, 2), crowd, **text)
    top["images"] = top["images"][:1]
    write(tmp_path / file, top)
    picture(tmp_path / images / "9.jpg")
    known = _known(name)
    assert known.missing(tmp_path) == []
    (pair,) = Benchmark.published(known, tmp_path).iterate()
    assert pair[1].image.file == f"{images}/9.jpg"


def test_every_training_set_ends_so_and_lists_its_pictures() -> None:
    training = {known.name for known in PUBLISHED if known.train}
    assert training == {
        *(f"{name}/train" for name in ("refcoco", "refcoco+", "refcocog", "grefcoco", "refclef")),
        *(f"{name}/train" for name in ("refclef-berkeley", "roborefit", "reasonseg", "muse", "inst2seg")),
        *(f"{name}/train" for name in ("coco", "lvis", "paco", "pascal-part", "partimagenet", "objects365")),
        *(f"{name}/train" for name in ("mapillary", "mapillary-v1.2", "mapillary-v1.1")),
        *(f"{name}/train" for name in ("lisa++", "lisa++-reasoning")),
    }
    assert all(known.list_images is not None for known in PUBLISHED)


def test_listed_pictures_are_those_of_the_records(folder: Path) -> None:
    known = _known("grefcoco/val")
    records = {record.image.file for record in known.read(folder, Tally())}
    assert records == {"coco/train2014/9.jpg"}  # the picture 4 has only a broken mask
    assert known.image_files(folder) == [
        f"coco/train2014/COCO_train2014_{number:012}.jpg" for number in (9, 4)
    ]
    bare = replace(_known("coco/val2017"), list_images=None)
    write(folder / "coco/annotations/instances_val2017.json", coco(annotation(1, 9, 18, 1, 1, 2, 2)))
    assert bare.image_files(folder) == ["coco/val2017/9.jpg"]
    assert _known("coco/val2017").image_files(folder) == ["coco/val2017/9.jpg", "coco/val2017/4.jpg"]


def test_a_picture_is_found_in_another_composition(tmp_path: Path) -> None:
    """A list of names written on one system, pictures unpacked on another."""
    value = coco(annotation(1, 9, 18, 1, 1, 2, 2))
    value["images"] = [{**value["images"][0], "file_name": unicodedata.normalize("NFC", "é.jpg")}]
    write(tmp_path / "coco/annotations/instances_val2017.json", value)
    picture(tmp_path / "coco/val2017" / unicodedata.normalize("NFD", "é.jpg"))
    known = _known("coco/val2017")
    assert len(list(Benchmark.published(known, tmp_path).iterate())) == 1
    assert Census.of(known.read(tmp_path, Tally()), Tally(), tmp_path).absent_images == 0


def test_a_set_is_not_begun_by_files_of_another_one(tmp_path: Path) -> None:
    write(tmp_path / "refclef/instances.json", {})
    write(tmp_path / "refclef/refs(unc).json", [])
    assert _known("refclef/train").is_begun(tmp_path)
    assert not _known("refclef-berkeley/train").is_begun(tmp_path)
    assert _known("refclef-berkeley/train").missing(tmp_path)[0] == "refclef/refs(berkeley).p"


def test_a_census_counts(folder: Path) -> None:
    tally = Tally()
    (folder / "coco/train2014/9.jpg").unlink()
    census = Census.of(_known("grefcoco/val").read(folder, tally), tally, folder)
    assert census.sentence() == "2 records, 2 phrases, 1 instances, 1 without target"
    assert (census.images, census.absent_images) == (1, 1)
    assert census.first_absent_image == "coco/train2014/9.jpg"
    assert sum(census.left_out.values()) == 1
    record = next(iter(_known("grefcoco/val").read(folder, Tally())))
    bare = replace(record, phrases=(replace(record.phrases[0], instances=()),))
    crowd = replace(bare, crowds=(record.phrases[0].instances[0].rle,))
    ignored = replace(bare, ignore=record.phrases[0].instances[0].rle)
    assert Census.of([record, bare, crowd, ignored], Tally()).no_target == 1
    none: Iterator[Record] = iter(())
    assert Census.of(none, Tally()).records == 0


def _known(name: str):  # type: ignore[no-untyped-def]
    return next(known for known in PUBLISHED if known.name == name)
