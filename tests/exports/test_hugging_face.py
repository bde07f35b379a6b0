"""Hugging Face data sets: read back by `datasets`, and by the reader that training uses."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.data.formats.hugging_face import find_parquet, open_parquet
from instructsam.data.formats.reader import ReadOptions
from instructsam.data.formats.source import Tally
from instructsam.errors import InputError, MissingExtraError
from instructsam.exports import export
from instructsam.structures.masks import decode_rle
from tests.exports.made import HOSTILE_LABELS, prediction

SIZE = (20, 30)
pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def _given(tmp_path: Path) -> list[Any]:
    masks = np.zeros((3, *SIZE), dtype=np.bool_)
    masks[0, 2:10, 2:20] = True
    masks[0, 4:6, 4:6] = False
    masks[2, 15, 25] = True  # the second has no pixel
    files = [tmp_path / f"{name}.png" for name in "ab"]
    for number, file in enumerate(files):
        Image.new("RGB", SIZE[::-1], (number, 0, 0)).save(file)
    return [
        prediction(masks, ("plate", "mug"), "dishes", phrase_ids=[1, 0, 0], image_path=str(files[0])),
        prediction(masks[:1], ("blue cup",), "the blue one", image_path=str(files[0])),
        prediction(masks[:0], ("car",), "cars", image_path=str(files[1])),
    ]


def _load(folder: Path, split: str = "train") -> Any:
    import datasets

    return datasets.load_dataset(str(folder), split=split)


@pytest.mark.parametrize("masks", ["rle", "png"])
def test_a_written_data_set_is_the_one_in_memory(tmp_path: Path, masks: str) -> None:
    given = _given(tmp_path)
    (folder,) = export(given, "hugging_face", tmp_path / "set", masks=masks)
    rows, kept = _load(folder), export(given, "hugging_face", masks=masks)
    assert rows.features == kept.features
    objects = rows.features["objects"].feature
    assert objects["category"].names == ["plate", "mug", "blue cup", "car"]
    for row, other in zip(rows, kept, strict=True):
        assert row["image"].tobytes() == other["image"].tobytes()
        assert str(row["objects"]) == str(other["objects"]) or masks == "png"
        assert row["instructions"] == other["instructions"]
    first, second = rows
    assert first["image"].getpixel((0, 0)) == (0, 0, 0)
    assert [thing["category"] for thing in first["objects"]] == [1, 0, 2]
    assert first["objects"][0]["bbox"] == [2, 2, 18, 8]
    found = first["objects"][0]
    mask = np.array(found["mask"]) if masks == "png" else decode_rle(found["segmentation"])
    assert np.array_equal(mask > 0, given[0].instances.masks[0])
    assert second["objects"] == []
    assert [one["status"] for one in second["instructions"]] == ["no_target"]


@pytest.mark.parametrize("masks", ["rle", "png"])
def test_training_reads_the_instructions_with_their_targets(tmp_path: Path, masks: str) -> None:
    (folder,) = export(_given(tmp_path), "hugging_face", tmp_path / "set", masks=masks)
    place = find_parquet(folder, "")
    assert place is not None
    records = list(open_parquet("set", place, ReadOptions()).read(Tally()))
    assert [
        (record.instruction, [(p.text, len(p.instances)) for p in record.phrases]) for record in records
    ] == [
        ("dishes", [("plate", 1), ("mug", 1)]),
        ("the blue one", [("blue cup", 1)]),
        ("cars", [("car", 0)]),
    ]


def test_shards_and_hostile_labels(tmp_path: Path) -> None:
    given = [
        prediction(masks=1, size=SIZE, phrases=(label,), image=Image.new("RGB", SIZE[::-1]))
        for label in HOSTILE_LABELS
    ]
    (folder,) = export(
        given, "hugging_face", tmp_path / "set", shard_rows=3, split="val", name="a | <b>\n---\nb: c"
    )
    assert sorted(path.name for path in folder.glob("data/*")) == [
        f"val-0000{i}-of-00003.parquet" for i in range(3)
    ]
    rows = _load(folder, "val")
    names = rows.features["objects"].feature["category"].names
    assert [names[row["objects"][0]["category"]] for row in rows] == list(HOSTILE_LABELS)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "<b>" not in card.split("---", 2)[2]
    assert card.count("\n---\n") == 1


def test_an_empty_set_has_all_columns(tmp_path: Path) -> None:
    """`datasets` itself refuses a split without rows."""
    from pyarrow import parquet

    (folder,) = export([], "hugging_face", tmp_path / "set")
    table = parquet.read_table(folder / "data" / "train-00000-of-00001.parquet")
    assert table.num_rows == 0
    assert set(table.column_names) >= {"image", "objects", "instructions"}


def test_images_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", SIZE).save(path, exif=exif)  # upright it has the width and height of SIZE
    (row,) = export([prediction(masks=1, size=SIZE, image_path=str(path))], "hugging_face").to_dict()["image"]
    assert row["bytes"] == path.read_bytes()
    Image.new("RGB", (5, 5)).save(path)
    with pytest.raises(InputError, match="it has changed since it was segmented"):
        export([prediction(masks=1, size=SIZE, image_path=str(path))], "hugging_face", tmp_path / "set")
    with pytest.raises(InputError, match="cannot be read"):
        export([prediction(masks=1, size=SIZE, image_path="gone.jpg")], "hugging_face", tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_images_in_memory_become_png(tmp_path: Path) -> None:
    image = Image.effect_noise(SIZE[::-1], 50).convert("RGB")
    found = export([prediction(masks=1, size=SIZE, image=image)], "hugging_face").to_dict()["image"][0]
    assert Image.open(io.BytesIO(found["bytes"])).tobytes() == image.tobytes()


@pytest.mark.parametrize(("module", "path"), [("pyarrow", "set"), ("datasets", None)])
def test_the_extra_is_named(
    module: str, path: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[data\]'"):
        export([prediction()], "hugging_face", None if path is None else tmp_path / path)


def test_a_split_is_a_name() -> None:
    with pytest.raises(InputError, match="option split"):
        export([], "hugging_face", split="../x")
