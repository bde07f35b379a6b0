"""Pictures of rows: size, marks, cache, and questions written as files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import ImageRef, InstanceRecord
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.stages.pictures import RowPictures
from instructsam.engine.stages.preview import preview_row, preview_rows
from instructsam.engine.stages.table import build_stages
from instructsam.errors import InputError
from instructsam.structures.masks import encode_rle
from tests.engine.stages.rows import row_of


class WhiteImages:
    """Images in memory, with the number of times that each is loaded."""

    def __init__(self) -> None:
        self.loaded = 0

    def load(self, row: ImageRow) -> Image.Image:
        self.loaded += 1
        return Image.new("RGB", (row.image.width, row.image.height), "white")

    def path(self, row: ImageRow) -> Path | None:
        return None

    def content(self, row: ImageRow) -> bytes:
        return b""


def test_pictures_are_scaled_and_kept() -> None:
    images = WhiteImages()
    pictures = RowPictures(images, max_side=60, min_side=40, rows=1)
    row = row_of("dog", "cat")
    assert pictures.clean(row).size == (60, 40)
    marked = pictures.marked(row)
    assert marked.size == (60, 40)
    assert np.asarray(marked).std() > 0
    assert pictures.marked(row) is marked
    assert images.loaded == 1
    assert pictures.marked(replace(row, instances=row.instances[::-1])) is not marked
    assert images.loaded == 1
    pictures.clean(replace(row, image=replace(row.image, file="b.png")))
    pictures.clean(row)
    assert images.loaded == 3


def test_small_images_are_enlarged_for_their_numbers() -> None:
    pictures = RowPictures(WhiteImages())
    row = row_of(*["dog"] * 24)
    assert (pictures.clean(row).size, pictures.marked(row).size) == ((120, 80), (512, 341))


def test_threads_share_pictures() -> None:
    pictures = RowPictures(WhiteImages(), rows=2)
    rows = [row_of(*["dog"] * count) for count in range(1, 9)] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(pictures.marked, rows))
    for picture, again in zip(found[:8], found[24:], strict=True):
        assert (np.asarray(picture) == np.asarray(again)).all()


def test_rows_that_cannot_be_marked_are_named() -> None:
    empty = InstanceRecord(rle=encode_rle(np.zeros((80, 120), dtype=np.bool_)))
    with pytest.raises(InputError, match=r"row 'row': object 2 has an empty mask"):
        RowPictures(WhiteImages()).marked(replace(row_of("dog"), instances=(*row_of("dog").instances, empty)))
    crowd = ImageRow("row", ImageRef("a.png", 80, 120), row_of("dog").instances * 150)
    with pytest.raises(
        InputError, match=r"no room for the numbers .* of 150 objects .* lower propose\.max_objects"
    ):
        RowPictures(WhiteImages(), max_side=120).marked(crowd)


def test_questions_are_written_as_files(tmp_path: Path) -> None:
    source = SourceSettings(data="images", detector="sam3:folder")
    vlm = VLMSettings(model="tiny", url="http://localhost:8000/v1")
    config = EngineConfig(output_dir=tmp_path, source=source, vlm=vlm)
    stages = build_stages(config, detector=object())  # type: ignore[arg-type]
    files = preview_row(row_of("dog", "cat"), stages, RowPictures(WhiteImages()), tmp_path / "row")
    assert [path.stem for path in files] == ["propose", "revise", "words", "vote", "exhaustive", "no_target"]
    text = files[0].read_text(encoding="utf-8")
    assert "[propose-1.png: 512 x 341 px]" in text
    assert '"additionalProperties": false' in text
    with Image.open(tmp_path / "row" / "propose-1.png") as picture:
        assert picture.size == (512, 341)
    rows = (row_of(row_id=str(number)) for number in range(9))
    files = preview_rows(rows, stages, RowPictures(WhiteImages()), tmp_path / "bare", count=2)
    assert [str(path.relative_to(tmp_path)) for path in files] == ["bare/1/name.txt", "bare/2/name.txt"]
