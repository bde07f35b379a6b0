"""The ingest: every source becomes rows, once, with all objects of an image and a count of what is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image

from instructsam.data.detect import find_reader_of_path
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.image_store import FolderImages
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.data.templates import NAME_ALONE
from instructsam.engine.ingest.ingest import MANIFEST, TOO_MANY, IngestReport, ingest
from instructsam.engine.ingest.open import open_rows
from instructsam.engine.ingest.records import CROWDS, OTHER_SIZE, POINTS
from instructsam.engine.ingest.source import MISSING, UNREADABLE
from instructsam.engine.rows import ImageRow
from instructsam.engine.rows_file import iter_rows
from instructsam.engine.run_folder import RunFolder, run_folder
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.errors import ConfigError, InputError
from instructsam.structures.masks import encode_rle
from instructsam.world.splits.build import benchmark_records

SIDE = 32


def config(folder: Path, max_objects: int = 40, **source: Any) -> EngineConfig:
    return EngineConfig(
        output_dir=folder / "run",
        source=SourceSettings(**source),
        vlm=VLMSettings(model="m", url="http://localhost/v1"),
        propose=ProposeSettings(max_objects=max_objects),
    )


def reader_of(path: Path) -> Callable[[], RecordReader]:
    options = ReadOptions(templates=NAME_ALONE, negatives=False, skip_missing=True)
    return lambda: find_reader_of_path(str(path), options)


def no_reader() -> RecordReader:
    pytest.fail("no reader is needed")


def run(
    settings: EngineConfig, find: Callable[[], RecordReader] = no_reader
) -> tuple[list[ImageRow], IngestReport]:
    folder = run_folder(settings)
    report = ingest(open_rows(settings.source, find), folder, settings)
    return list(iter_rows(Path(folder.rows))), report


def photo(path: Path, size: tuple[int, int] = (SIDE, SIDE)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path)


def box(x: int, y: int, side: int = 8) -> InstanceRecord:
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    mask[y : y + side, x : x + side] = True
    return InstanceRecord(encode_rle(mask))


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Four images: two objects and a crowd; missing; broken; of another size. One more has no objects."""
    for number in (0, 2, 3, 4):
        photo(tmp_path / f"shop/images/{number}.png", (SIDE, SIDE if number != 3 else SIDE + 1))
    (tmp_path / "shop/images/2.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images = [
        {"id": n, "file_name": f"{n}.png", "height": SIDE, "width": SIDE, "license": n % 2} for n in range(5)
    ]

    def annotation(number: int, image: int, category: int, x: int, crowd: int = 0) -> dict[str, Any]:
        corners = [x, 2, x + 8, 2, x + 8, 10, x, 10]
        return {
            **{"id": number, "image_id": image, "category_id": category, "iscrowd": crowd},
            **{"segmentation": [corners] if not crowd else encode_rle(np.eye(SIDE, dtype=np.bool_))},
        }

    value = {
        "licenses": [{"id": 0, "name": "CC BY 4.0"}, {"id": 1, "url": "https://example.org/licence"}],
        "images": images,
        "categories": [{"id": 1, "name": "mug"}, {"id": 2, "name": "pen"}],
        "annotations": [
            annotation(1, 0, 2, 2),
            annotation(2, 0, 1, 12),
            annotation(3, 0, 1, 22, crowd=1),
            *(annotation(3 + n, n, 1, 3) for n in (1, 2, 3)),
        ],
    }
    path = tmp_path / "shop/instances.json"
    path.write_text(json.dumps(value))
    return path


def test_a_coco_file_becomes_rows_with_licences_and_counts(coco: Path, tmp_path: Path) -> None:
    (row,), report = run(config(tmp_path, data=str(coco), licence="else"), reader_of(coco))
    assert (row.id, row.licence, row.source) == ("images/0.png", "CC BY 4.0", "shop/instances.json")
    assert [one.category for one in row.instances] == ["mug", "pen"]
    assert len(row.meta["crowds"]) == 1
    left_out = report.left_out
    assert left_out[CROWDS] == left_out[UNREADABLE] == left_out[OTHER_SIZE] == 1
    assert sum(count for reason, count in left_out.items() if "missing" in reason) == 1
    assert left_out["images without objects"] == 1
    assert (report.rows, report.objects, report.licences) == (1, 2, {"CC BY 4.0": 1})


def test_an_unchanged_source_is_not_read_again(coco: Path, tmp_path: Path) -> None:
    settings = config(tmp_path, data=str(coco))
    rows, first = run(settings, reader_of(coco))
    source = open_rows(settings.source, reader_of(coco))
    blocked = replace(source, reader=replace(source.reader, read=lambda tally: pytest.fail("read again")))
    again = ingest(blocked, run_folder(settings), settings)
    assert first.is_new
    assert not again.is_new
    assert replace(again, is_new=True) == first

    before = (settings.output_dir / "rows.jsonl").read_bytes()
    (settings.output_dir / "rows.jsonl").write_bytes(before[:-9])
    _, repaired = run(settings, reader_of(coco))
    assert repaired.is_new
    assert (settings.output_dir / "rows.jsonl").read_bytes() == before

    coco.write_text(coco.read_text().replace('"pen"', '"key"'))
    changed, report = run(settings, reader_of(coco))
    assert report.is_new
    assert changed[0].digest != rows[0].digest


def records(*texts: str, file: str = "a.png") -> Iterator[Record]:
    for number, text in enumerate(texts):
        instances = (box(2, 2), box(12 + number, 2))
        yield Record(
            f"{file}-{number}", ImageRef(file, SIDE, SIDE), text, (PhraseRecord("the mugs", instances),)
        )


def test_equal_objects_of_several_records_are_one(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        photo(tmp_path / name)
    first, second = records("the mugs", "mugs on the left")
    named = replace(first, id="c", phrases=(PhraseRecord("x", (replace(box(2, 2), category="cup"),)),))
    point = InstanceRecord(point_xy=(3.0, 3.0))
    other = Record("b", ImageRef("b.png", SIDE, SIDE), "pens", (PhraseRecord("pens", (box(1, 1), point)),))
    write_records(tmp_path / "records.jsonl", [first, other, second, named])
    path = tmp_path / "records.jsonl"
    rows, report = run(config(tmp_path, data=str(path)), reader_of(path))
    assert [row.id for row in rows] == ["a.png", "b.png"]
    assert [one.category for one in rows[0].instances] == ["the mugs", "the mugs", ""]
    assert report.left_out == {POINTS: 1}


def test_a_name_of_a_record_yields_to_a_category(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    _, second = records("the mugs", "what stands left of the pens?")
    named = replace(second, id="c", phrases=(PhraseRecord("x", (replace(box(2, 2), category="cup"),)),))
    write_records(tmp_path / "records.jsonl", [second, named])
    path = tmp_path / "records.jsonl"
    (row,), _ = run(config(tmp_path, data=str(path)), reader_of(path))
    assert [one.category for one in row.instances] == ["cup", ""]


def test_too_many_objects_and_the_limit(tmp_path: Path) -> None:
    files = ("a.png", "b.png", "c.png")
    for name in files:
        photo(tmp_path / name)
    path = tmp_path / "records.jsonl"
    three = records("one", "two", file="a.png")
    write_records(path, [*three, *records("one", file="b.png"), *records("one", file="c.png")])
    rows, report = run(config(tmp_path, max_objects=2, limit=1, data=str(path)), reader_of(path))
    assert [row.id for row in rows] == ["b.png"]
    assert report.left_out == {TOO_MANY: 1}
    with pytest.raises(InputError, match=r"no image with objects.*left out: 3 x images with more objects"):
        run(config(tmp_path, max_objects=1, data=str(path)), reader_of(path))


def test_a_folder_of_images_needs_a_detector(tmp_path: Path) -> None:
    photo(tmp_path / "photos/b/2.png", (20, 30))
    photo(tmp_path / "photos/1.jpg")
    (tmp_path / "photos/broken.jpg").write_bytes(b"no image")
    (tmp_path / "photos/notes.txt").write_text("no image")
    with pytest.raises(ConfigError, match=r"has images alone, without objects: set source\.detector"):
        run(config(tmp_path, data=str(tmp_path / "photos")))
    settings = config(tmp_path, data=str(tmp_path / "photos"), detector="sam3:weights", licence="CC0-1.0")
    rows, report = run(settings)
    assert [(row.id, row.image.height, row.image.width) for row in rows] == [
        ("1.jpg", SIDE, SIDE),
        ("b/2.png", 20, 30),
    ]
    assert {row.licence for row in rows} == {"CC0-1.0"}
    assert report.left_out == {UNREADABLE: 1}
    images = open_rows(settings.source, no_reader).images
    assert images.load(rows[1]).size == (30, 20)
    assert images.path(rows[0]) == tmp_path / "photos/1.jpg"


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    photo(tmp_path / "local.png", (20, 30))
    content = (tmp_path / "local.png").read_bytes()
    memory = fsspec.filesystem("memory")
    for name in ("b/2.png", "1.png", ".hidden/3.png"):
        memory.pipe_file(f"/bucket/photos/{name}", content)
    memory.pipe_file("/bucket/photos/4.png", b"no image")
    yield "memory://bucket/photos"
    memory.rm("/bucket", recursive=True)


def test_images_at_a_url(tmp_path: Path, bucket: str) -> None:
    settings = config(tmp_path, data=bucket, detector="sam3:weights")
    rows, report = run(settings)
    assert [row.id for row in rows] == ["1.png", "b/2.png"]
    assert report.left_out == {UNREADABLE: 1}
    images = open_rows(settings.source, no_reader).images
    assert images.load(rows[1]).size == (30, 20)
    assert images.path(rows[1]) is None
    with pytest.raises(InputError, match=r"the record states 31 x 20 px, the image has 30 x 20"):
        images.load(replace(rows[1], image=replace(rows[1].image, width=31)))
    with pytest.raises(InputError, match=r"memory://bucket/photos/none.png: the image cannot be read"):
        images.content(replace(rows[1], image=replace(rows[1].image, file="none.png")))


def test_annotations_here_and_images_at_a_url(tmp_path: Path, bucket: str) -> None:
    instance = InstanceRecord(box_xywh=(1.0, 1.0, 5.0, 5.0), category="mug")
    found = [
        Record(name, ImageRef(name, 20, 30), "mug", (PhraseRecord("mug", (instance,)),))
        for name in ("b/2.png", "none.png")
    ]
    reader = RecordReader("shop/records", "records", FolderImages(tmp_path), lambda _: iter(found))
    settings = config(tmp_path, data="shop/records", images=bucket)
    (row,), report = run(settings, lambda: reader)
    assert row.id == "b/2.png"
    assert report.left_out == {MISSING: 1}
    assert open_rows(settings.source, lambda: reader).images.load(row).size == (30, 20)


def test_drawn_scenes_are_those_of_the_benchmark(tmp_path: Path) -> None:
    settings = config(tmp_path, data="world/val", limit=2)
    rows, report = run(settings)
    image, record = next(benchmark_records("val"))
    images = open_rows(settings.source, no_reader).images
    assert np.array_equal(np.asarray(images.load(rows[0])), np.asarray(image))
    known = {one.rle["counts"] for one in rows[0].instances if one.rle is not None}
    targets = [one.rle for phrase in record.phrases for one in phrase.instances]
    assert {code["counts"] for code in targets if code is not None} <= known
    assert rows[0].meta["scene_seed"] == record.meta["scene_seed"]
    assert report.rows == 2
    with pytest.raises(ConfigError, match=r"source.limit must be the number of scenes"):
        run(config(tmp_path, data="world/train"))
    with pytest.raises(ConfigError, match="world/SPLIT"):
        run(config(tmp_path, data="world/vall"))


def test_rows_are_copied_to_the_storage_of_a_cluster(tmp_path: Path) -> None:
    settings = config(tmp_path, data="world/val", limit=1)
    folder = RunFolder(settings.output_dir, "memory://cluster/run")
    for _ in range(2):
        ingest(open_rows(settings.source, no_reader), folder, settings)
        memory = fsspec.filesystem("memory")
        assert memory.cat_file("/cluster/run/rows.jsonl") == (settings.output_dir / "rows.jsonl").read_bytes()
        memory.rm("/cluster", recursive=True)
    assert json.loads((settings.output_dir / MANIFEST).read_text())["rows"] == 1


def test_a_file_that_holds_no_rows_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"rows.jsonl, line 1: expected a row"):
        list(iter_rows(tmp_path / "rows.jsonl"))
