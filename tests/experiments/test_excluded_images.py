"""`data.exclude`: which test images a configuration keeps out of which sources."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from instructsam.config import build_config
from instructsam.data.formats.source import Tally
from instructsam.data.record import ImageRef, PhraseRecord, Record, write_records
from instructsam.errors import ConfigError, InputError
from instructsam.experiments.excluded_images import CACHE
from instructsam.experiments.sources import check_source, find_reader, open_source
from instructsam.training.data_settings import DataSettings

from ..data.formats.helpers import picture, write
from ..data.formats.test_coco import annotation, coco
from ..data.formats.test_refer import ref


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """COCO's train2017 with the pictures 9 and 4; RefCOCO's validation split is about picture 9."""
    top = coco(annotation(1, 9, 18, 1, 1, 2, 2), annotation(2, 4, 18, 1, 1, 2, 2))
    for item in top["images"]:
        item["file_name"] = f"{item['id']:012}.jpg"
        picture(tmp_path / "coco/train2017" / item["file_name"])
    write(tmp_path / "coco/annotations/instances_train2017.json", top)
    write(tmp_path / "refcoco/refs(unc).json", [ref(1, 9, 1)])
    write(tmp_path / "refcoco/instances.json", top)
    return tmp_path


def settings(folder: Path, **changes: Any) -> DataSettings:
    return build_config(DataSettings, {"source": "coco/train", "folder": str(folder), **changes}, prefix="")


def files(data: DataSettings, tally: Tally | None = None) -> list[str]:
    records = find_reader(data.source, data).read(Tally() if tally is None else tally)
    return [Path(record.image.file).name for record in records]


def test_test_splits_in_the_folder_are_excluded(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally()
    with caplog.at_level(logging.INFO):
        assert files(settings(folder), tally) == ["000000000004.jpg"]
    assert tally.lines() == ["left out: 1 x instructions about pictures of refcoco/val (same image id)"]
    assert "images kept out of training: 1 of refcoco/val" in caplog.text
    assert open_source(settings(folder), 0, 1)[0].id.startswith("coco/train, record '4-18'")
    assert (folder / CACHE).is_file()


def test_exclusion_can_be_switched_off_and_widened(folder: Path) -> None:
    assert len(files(settings(folder, exclude=[]))) == 2
    more = folder / "more"
    picture(more / "coco/000000000004.jpg")
    assert files(settings(folder, exclude=[str(more)])) == ["000000000009.jpg"]
    assert files(settings(folder, exclude=[str(more), "refcoco/val"])) == []
    assert files(settings(folder, exclude=["known"])) == ["000000000004.jpg"]
    assert files(settings(folder, exclude=["known", str(more)])) == []


def test_other_sources_are_compared_on_request(folder: Path) -> None:
    phrase = PhraseRecord("a dog", ())
    own = folder / "own/records.jsonl"
    picture(folder / "own/coco/000000000009.jpg")
    own_record = Record("1", ImageRef("coco/000000000009.jpg", 6, 10), "a dog", (phrase,))
    write_records(own, [own_record])
    assert len(files(settings(folder, source=str(own.parent)))) == 1
    assert files(settings(folder, source=str(own.parent), exclude=["refcoco/val"])) == []
    assert files(settings(folder, exclude=[str(own)])) == ["000000000004.jpg"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("reasonseg/val", r"data.exclude: reasonseg/val needs reasonseg/val in data.folder"),
        (
            "refcoco/vall",
            r"data.exclude must list known, names of published test sets, .* got 'refcoco/vall'",
        ),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_read(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_source(settings(folder, exclude=[name]))


def test_published_sets_that_annotate_everything_have_a_vocabulary(folder: Path) -> None:
    reader = find_reader("coco/train", settings(folder))
    list(reader.read(Tally()))
    assert reader.vocabulary is not None
    assert reader.vocabulary.used == ("dog",)
    write(folder / "lvis/lvis_v1_train.json", {})
    assert find_reader("lvis/train", settings(folder)).vocabulary is None


def test_a_folder_without_images_excludes_nothing_by_mistake(folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"data.exclude: expected images to exclude in .*empty', got none"):
        files(settings(folder, exclude=[str(folder / "empty")]))


def test_a_source_of_which_nothing_is_left_gives_the_reasons(folder: Path) -> None:
    data = settings(folder, exclude=[str(folder / "coco/train2017")])
    with pytest.raises(
        InputError, match=r"holds no record to train on: .*left out: 2 x instructions about pictures of"
    ):
        open_source(data, 0, 1)
