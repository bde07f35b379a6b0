"""The sources of an engine run: published sets, their licences, and test images that no question is paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.engine.ingest.ingest import ingest
from instructsam.engine.rows import ImageRow
from instructsam.engine.rows_file import iter_rows
from instructsam.engine.run_folder import run_folder
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.filters import FilterSettings
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.errors import ConfigError, InputError
from instructsam.experiments.engine.source import open_source

from ...data.formats.helpers import picture, write
from ...data.formats.test_coco import annotation, coco, concepts
from ...data.formats.test_refer import ref


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """COCO's train2017 with the pictures 9 and 4; RefCOCO's validation split is about picture 9."""
    top: dict[str, Any] = coco(annotation(1, 9, 18, 1, 1, 2, 2), annotation(2, 4, 18, 1, 1, 2, 2))
    top["licenses"] = [{"id": 3, "name": "CC BY 2.0"}]
    for item in top["images"]:
        item["file_name"] = f"{item['id']:012}.jpg"
        item["license"] = 3
        picture(tmp_path / "coco/train2017" / item["file_name"])
    write(tmp_path / "coco/annotations/instances_train2017.json", top)
    write(tmp_path / "refcoco/refs(unc).json", [ref(1, 9, 1)])
    write(tmp_path / "refcoco/instances.json", top)
    return tmp_path


def rows(folder: Path, exclude: tuple[str, ...] = ("known",), **source: str) -> list[ImageRow]:
    config = EngineConfig(
        output_dir=folder / "run",
        source=SourceSettings(**{"data": "coco/train", "folder": str(folder), **source}),  # type: ignore[arg-type]
        vlm=VLMSettings(model="m", url="http://localhost/v1"),
        filters=FilterSettings(exclude=exclude),
    )
    ingest(open_source(config), run_folder(config), config)
    return list(iter_rows(run_folder(config).rows))


def test_a_published_set_without_test_images(folder: Path) -> None:
    (row,) = rows(folder)
    assert (row.id, row.licence, row.source) == ("coco/train2017/000000000004.jpg", "CC BY 2.0", "coco/train")
    assert [one.category for one in row.instances] == ["dog"]
    assert len(rows(folder, exclude=())) == 2


def test_a_test_set_needs_an_explicit_choice(folder: Path) -> None:
    picture(folder / "coco/train2014/COCO_train2014_000000000009.jpg")
    with pytest.raises(
        InputError, match=r"no image with objects.*instructions about pictures of refcoco/val"
    ):
        rows(folder, data="refcoco/val")


def test_messages_name_the_keys_of_the_engine(folder: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^source\.data must be world, a path, .* with source\.folder one of"
    ):
        rows(folder, data="no/such/file.json")
    with pytest.raises(ConfigError, match=r"^source\.images must be the folder of the images"):
        rows(folder, data=str(folder / "refcoco/instances.json"), images="none")


def test_noun_phrases_name_the_objects_of_an_sa_co_file(tmp_path: Path) -> None:
    top = concepts(None, annotation(1, 10, 1, 1, 1, 2, 2), annotation(2, 12, 1, 5, 1, 2, 2))
    write(tmp_path / "mugs.json", top)
    picture(tmp_path / "m/1.jpg", size=(10, 6))
    picture(tmp_path / "m/2.jpg", size=(10, 6))
    (row,) = rows(tmp_path, data=str(tmp_path / "mugs.json"))
    assert (row.id, row.source) == ("m/1.jpg", f"{tmp_path.name}/mugs.json")
    assert [one.category for one in row.instances] == ["a red mug", "a blue mug"]
