"""`instructsam data check` on sources: COCO and YOLO files, records, a published set and the world."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.structures.masks import encode_rle

from .conftest import Outcome

Command = Callable[..., Outcome]
SQUARE = [[0, 0, 8, 0, 8, 8, 0, 8]]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Records about two images; their folder has another name."""
    mask = np.zeros((20, 30), np.bool_)
    mask[:8, :8] = True
    records = []
    (tmp_path / "photos").mkdir()
    for number, name in ((1, "mug"), (2, "plate")):
        thing = InstanceRecord(encode_rle(mask), (0.0, 0.0, 8.0, 8.0), name)
        image = ImageRef(f"{number}.png", 20, 30)
        records.append(Record(str(number), image, name, (PhraseRecord(name, (thing,)),)))
        Image.new("RGB", (30, 20), (90 * number, 0, 0)).save(tmp_path / "photos" / image.file)
    write_records(tmp_path / "shop.jsonl", records)
    return tmp_path / "shop.jsonl"


def test_records_with_their_images(command: Command, shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    arguments = ("data", "check", shop, "--images", tmp_path / "photos", "--pixels")
    code, out, err = command(*arguments, "--html", page)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == f"{shop}: 2 records, 2 phrases, 2 instances, 0 without target"
    assert "format: Inst2Seg records" in lines
    assert "images: 2, all 30 x 20 px; longer side up to 256 px: 2" in lines
    assert "decoded images: 2" in lines
    assert any(line.startswith("note: no instruction is without target") for line in lines)
    assert page.read_text("utf-8").count("data:image/jpeg;base64,") == 2
    code, out, _ = command(*arguments, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["records"], document["categories"]) == (2, {"mug": 1, "plate": 1})
    (tmp_path / "photos/2.png").unlink()
    code, out, _ = command(*arguments)
    assert code == 1
    assert "1 images are missing, such as" in out


def test_the_limits_of_a_model_are_compared(command: Command, shop: Path, tmp_path: Path) -> None:
    code, out, _ = command("data", "check", shop, "--images", tmp_path / "photos", "--model", "default")
    assert code == 0
    assert "at most 1 in a phrase (the model has 10 queries)" in out
    assert "length in tokens: " in out


def test_a_page_that_cannot_be_written_is_noticed_first(
    command: Command, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write_text("{}")  # malformed, but not read
    code, out, err = command("data", "check", shop, "--html", tmp_path / "photos")
    assert (code, out) == (2, "")
    assert "--html" in err
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, out, err = command("data", "check", shop, "--html", tmp_path / "page.html")
    assert (code, out) == (2, "")
    assert "pip install 'instructsam[report]'" in err


def test_the_world_and_a_limit(command: Command) -> None:
    code, out, _ = command("data", "check", "world", "--limit", 5)
    assert code == 0
    assert out.startswith("world: 5 records")
    assert "note: only the first 5 records were read" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent/file.json"], "absent/file.json"),
        (["refcoco/val"], "--data DIR"),
        (["refcoco/train"], "data"),
        (["world", "--limit", "0"], "--limit"),
    ],
)
def test_a_source_that_is_not_there_is_named_in_one_line(
    command: Command, arguments: list[str], words: str
) -> None:
    code, out, err = command("data", "check", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_published_test_set_is_checked_with_its_folder(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    (folder / "val2017").mkdir()
    Image.new("RGB", (30, 20)).save(folder / "val2017/1.png")
    document = {
        "images": [{"id": 1, "file_name": "1.png", "height": 20, "width": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "segmentation": SQUARE}],
        "categories": [{"id": 1, "name": "mug"}],
    }
    (folder / "annotations/instances_val2017.json").write_text(json.dumps(document))
    code, out, _ = command("data", "check", "coco/val2017", "--data", tmp_path)
    assert code == 0
    assert out.startswith("coco/val2017: 1 records, 1 phrases, 1 instances, 0 without target")


def test_own_coco_files_and_yolo_folders(command: Command, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images/1.png")
    document = {
        "images": [{"id": 1, "file_name": "1.png", "height": 20, "width": 30}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [0, 0, 8, 8],
                "segmentation": SQUARE,
            },
            {
                "id": 2,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [9, 9, 8, 8],
                "segmentation": [],
            },
        ],
        "categories": [{"id": 1, "name": "mug"}],
    }
    (tmp_path / "shop.json").write_text(json.dumps(document))
    (tmp_path / "labels/1.txt").write_text("0 0.1 0.1 0.4 0.1 0.4 0.4\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: {0: mug}\n")
    code, out, _ = command("data", "check", tmp_path / "shop.json", "--images", tmp_path / "images", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["format"], document["known"]) == ("COCO JSON", {"mask": 1, "box": 1, "point": 0})
    code, out, _ = command("data", "check", tmp_path / "data.yaml")
    assert code == 0
    assert "1 records, 1 phrases, 1 instances" in out
    assert "objects: 1 by mask, 0 by box, 0 by point" in out


def test_a_folder_of_no_format_lists_the_formats(command: Command, tmp_path: Path) -> None:
    code, out, _ = command("data", "check", tmp_path)
    assert code == 1
    assert f"{tmp_path} has no data of another known format either: Inst2Seg records (" in out
