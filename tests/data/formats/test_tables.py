"""Tables of images with labels: Parquet files with instructions, or with objects and their categories."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.data.detect import find_reader_of_path
from instructsam.data.formats.hugging_face import open_hub
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.data.record_source import RecordSource
from instructsam.errors import ConfigError, InputError, MissingExtraError
from instructsam.structures.masks import encode_rle

from .helpers import areas, block, boxes, corners, picture

datasets = pytest.importorskip("datasets")

NAME_ALONE = ReadOptions(templates=("{category}",), negatives=False)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def png(array: Any = None) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.zeros((6, 10, 3), np.uint8) if array is None else array).save(stream, "png")
    return stream.getvalue()


def table(
    folder: Path, columns: dict[str, list[Any]], features: Any = None, options: ReadOptions = NAME_ALONE
) -> RecordReader:
    datasets.Dataset.from_dict(columns, features=features).to_parquet(str(folder / "t.parquet"))
    return find_reader_of_path(str(folder / "t.parquet"), options)


def read(found: RecordReader, tally: Tally | None = None) -> list[Record]:
    return list(found.read(tally or Tally()))


def test_objects_with_class_labels(tmp_path: Path) -> None:
    label = datasets.ClassLabel(names=["coffee_mug", "key", "pen"])
    features = datasets.Features(
        image=datasets.Image(),
        objects={
            "bbox": datasets.List(datasets.List(datasets.Value("float32"))),
            "category": datasets.List(label),
        },
    )
    stored = [{"bytes": png(), "path": "COCO_train2014_000000000009.jpg"}, {"bytes": png(), "path": None}]
    objects = [{"bbox": [[1, 1, 2, 2], [8, 4, 9, 9]], "category": [1, 0]}, {"bbox": [], "category": []}]
    found = table(tmp_path, {"image": stored, "objects": objects}, features)
    key, mug = read(found)
    assert (key.instruction, boxes(key), mug.instruction, boxes(mug)) == (
        *("key", [[(1, 1, 2, 2)]]),
        *("coffee mug", [[(8, 4, 2, 2)]]),
    )
    assert (mug.image.file, mug.image.height, mug.image.width) == ("0/COCO_train2014_000000000009.jpg", 6, 10)
    assert found.vocabulary is not None
    assert found.vocabulary.shown == {mug.image.file: {"coffee mug", "key"}, "1": set()}
    source = RecordSource("x", found.images, [mug, key], 8)
    assert source[0].image.shape == (6, 10, 3)
    assert pickle.loads(pickle.dumps(found.images)).load(mug).shape == (6, 10, 3)
    assert (found.images.has("1"), found.images.has("2")) == (True, False)


def test_instructions_with_masks_boxes_and_outlines(tmp_path: Path) -> None:
    names = {"instruction": "question", "mask": "answer"}
    options = ReadOptions(columns=names)
    drawn = np.zeros((6, 10), np.uint8)
    drawn[1:3, 2:5] = 255
    found = table(
        tmp_path,
        {
            "image": [png(), png(), png()],
            "question": [["where to sit", "the chair"], ["nothing"], ["one"]],
            "answer": [{"bytes": png(drawn), "path": None}, None, {"bytes": png(drawn), "path": None}],
        },
        datasets.Features(
            image=datasets.Value("binary"),
            question=datasets.List(datasets.Value("string")),
            answer=datasets.Image(),
        ),
        options,
    )
    sit, chair, nothing, one = read(found)
    assert (sit.instruction, chair.instruction, areas(sit), areas(chair)) == (
        "where to sit",
        "the chair",
        [6],
        [6],
    )
    assert (boxes(nothing), areas(one)) == ([[]], [6])
    assert found.vocabulary is not None
    assert found.vocabulary.shown == {}  # what else is in these images is unknown
    rows = {"image": [png()] * 2, "instruction": ["a", "b"]}
    outlined = table(
        tmp_path, rows | {"segmentation": [[corners(1, 1, 2, 2)], []], "bbox": [[1, 1, 2, 2], [0, 0, 1, 3]]}
    )
    assert [areas(one) if one.phrases[0].instances[0].rle else boxes(one) for one in read(outlined)] == [
        [4],
        [[(0, 0, 1, 3)]],
    ]
    coded = table(tmp_path, rows | {"mask": [encode_rle(block(0, 0, 3, 2))] * 2})
    assert [areas(one) for one in read(coded)] == [[6], [6]]
    cornered = table(
        tmp_path,
        rows | {"box": [[[1, 1, 3, 3], [4, 0, 5, 2]]] * 2},
        None,
        ReadOptions(columns={"bbox_xyxy": "box"}),
    )
    assert boxes(read(cornered)[0]) == [[(1, 1, 2, 2), (4, 0, 1, 2)]]
    named = table(tmp_path, rows | {"bbox": [[1, 1, 2, 2]] * 2, "category": ["desk_lamp"] * 2})
    assert [one.phrases[0].text for one in read(named)] == ["desk lamp", "desk lamp"]


def test_images_as_paths_and_a_folder_of_splits(tmp_path: Path) -> None:
    picture(tmp_path / "photos/a.png")
    rows = {"image": ["a.png"], "instruction": ["a thing"], "bbox": [[0, 0, 2, 2]]}
    (tmp_path / "data").mkdir()
    for split in ("train", "validation"):
        rows["instruction"] = [split]
        datasets.Dataset.from_dict(rows).to_parquet(str(tmp_path / f"data/{split}-00000-of-00001.parquet"))
    options = ReadOptions(images=tmp_path / "photos")
    found = find_reader_of_path(str(tmp_path), options)
    (one,) = read(found)
    assert (one.instruction, one.image.file) == ("train", "0/a.png")
    assert found.images.load(one).shape == (6, 10, 3)
    assert read(find_reader_of_path(f"{tmp_path}:val", options))[0].instruction == "validation"
    (tmp_path / "photos/a.png").unlink()
    tally = Tally()
    assert (
        read(find_reader_of_path(str(tmp_path), ReadOptions(images=tmp_path, skip_missing=True)), tally) == []
    )
    assert tally.left_out == {"rows whose image cannot be read": 1}


def test_faults_name_the_columns_that_are_there(tmp_path: Path) -> None:
    rows = {"image": [png()], "caption": ["a"], "bbox": [[0, 0, 1, 1]]}
    with pytest.raises(
        InputError, match=r"got image, caption, bbox: set data.columns.instruction or data.columns.obj"
    ):
        read(table(tmp_path, rows))
    with pytest.raises(InputError, match=r"there is no column 'question' \(there are image, caption, bbox\)"):
        read(table(tmp_path, rows, None, ReadOptions(columns={"instruction": "question"})))
    with pytest.raises(InputError, match=r"no column 'photo' .*set data.columns.image"):
        read(table(tmp_path, rows, None, ReadOptions(columns={"image": "photo"})))
    with pytest.raises(
        ConfigError, match=r"data.columns must be some of image, .* got str 'masks'; did you mean 'mask'"
    ):
        table(tmp_path, rows, None, ReadOptions(columns={"masks": "x"}))
    numbered = {"image": [png()], "objects": [{"bbox": [[0, 0, 1, 1]], "category": [3]}]}
    with pytest.raises(
        InputError, match=r"row 0.objects\[0\].category: expected a category by name, or the number"
    ):
        read(table(tmp_path, numbered))
    uneven = {"image": [png()], "objects": [{"bbox": [[0, 0, 1, 1]], "category": ["a", "b"]}]}
    with pytest.raises(InputError, match=r"expected lists of equal length"):
        read(table(tmp_path, uneven))
    (tmp_path / "t.parquet").write_text("text")
    with pytest.raises(InputError, match=r"t.parquet: the table cannot be loaded \("):
        read(find_reader_of_path(str(tmp_path / "t.parquet"), NAME_ALONE))


def test_instructions_without_a_column_of_targets_are_refused(tmp_path: Path) -> None:
    columns = {"image": [png()], "instruction": ["the mug"], "answer": [[1.0, 1.0, 2.0, 2.0]]}
    with pytest.raises(
        InputError, match=r"expected a column of targets .* got image, instruction, answer: set one of"
    ):
        read(table(tmp_path, columns))
    mask = encode_rle(block(1, 1, 2, 2))
    wrong = ReadOptions(templates=("{category}",), negatives=False, columns={"bbox": "anser"})
    with pytest.raises(InputError, match=r"there is no column 'anser' .*: set data.columns.bbox"):
        read(table(tmp_path, columns | {"mask": [mask]}, options=wrong))
    right = ReadOptions(templates=("{category}",), negatives=False, columns={"bbox": "answer"})
    assert boxes(read(table(tmp_path, columns, options=right))[0]) == [[(1, 1, 2, 2)]]


def test_objects_without_a_category_are_counted_and_leave_absence_open(tmp_path: Path) -> None:
    box = [1.0, 1.0, 2.0, 2.0]
    objects = [
        {"bbox": [box, box], "category": ["mug", None]},
        {"bbox": [box], "category": ["key"]},
        {"bbox": [box], "category": ["mug"]},
    ]
    found, tally = table(tmp_path, {"image": [png()] * 3, "objects": objects}), Tally()
    records = read(found, tally)
    assert [one.instruction for one in records] == ["mug", "key", "mug"]
    assert tally.left_out == {"objects without a category, of which no instruction is made": 1}
    assert found.vocabulary is not None
    absent = [found.vocabulary.absent(one.image.file) for one in records]
    assert absent == [(), ("mug",), ("key",)]


def test_rows_without_an_instruction_are_counted(tmp_path: Path) -> None:
    columns = {"image": [png()] * 3, "instruction": ["", "the mug", None], "bbox": [[1.0, 1.0, 2.0, 2.0]] * 3}
    tally = Tally()
    assert [one.instruction for one in read(table(tmp_path, columns), tally)] == ["the mug"]
    assert tally.left_out == {"rows without an instruction": 2}


def test_a_table_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(*names: str, split: str) -> Any:
        asked.append((*names, split))
        return datasets.Dataset.from_dict({"image": [png()], "instruction": ["a"], "bbox": [[0, 0, 1, 1]]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    for name in ("hf:org/name", "hf:org/name/part:val"):
        assert len(read(open_hub(name, NAME_ALONE))) == 1
    assert asked == [("org/name", "train"), ("org/name", "part", "val")]
    for wrong in ("hf:", "hf:name", "hf:../x", "hf:a/b c"):
        with pytest.raises(ConfigError, match="must be hf:ORG/NAME or hf:ORG/NAME:SPLIT"):
            open_hub(wrong, NAME_ALONE)


def test_without_datasets_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"tables need datasets: pip install 'instructsam\[data\]'"):
        open_hub("hf:org/name", NAME_ALONE)
