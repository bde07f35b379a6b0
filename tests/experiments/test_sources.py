"""Sources by name: which reader each has, what `data.images` means, and samples of one's own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.data.formats.source import Tally
from instructsam.data.negatives import WithNegatives
from instructsam.data.record import write_records
from instructsam.data.sources import Mixture, Shuffled
from instructsam.errors import ConfigError, InputError
from instructsam.experiments.finetune import load_run
from instructsam.experiments.fit import record_sources
from instructsam.experiments.presets import preset_path
from instructsam.experiments.sources import (
    check_source,
    describe_source,
    find_reader,
    open_source,
)
from instructsam.training.data_settings import DataSettings


def shop(folder: Path, images: str = "images", count: int = 3) -> Path:
    """A COCO file with a mug in every picture, and a key in the first."""
    (folder / images).mkdir(parents=True, exist_ok=True)
    boxes: list[dict[str, Any]] = []
    for number in range(count):
        Image.fromarray(np.full((6, 10, 3), number, np.uint8)).save(folder / images / f"{number}.png")
        names = (1, 2) if number == 0 else (1,)
        boxes += [{"image_id": number, "category_id": name, "bbox": [1, 1, 3, name]} for name in names]
    value = {
        "images": [{"id": n, "file_name": f"{n}.png", "height": 6, "width": 10} for n in range(count)],
        "annotations": [{"id": number, **box} for number, box in enumerate(boxes)],
        "categories": [{"id": 1, "name": "mug"}, {"id": 2, "name": "key"}],
    }
    (folder / "instances.json").write_text(json.dumps(value))
    return folder


def test_every_source_is_described(tmp_path: Path) -> None:
    first, second = str(shop(tmp_path / "a")), str(shop(tmp_path / "b") / "instances.json")
    records = list(find_reader(first, DataSettings()).read(Tally()))
    write_records(tmp_path / "records.jsonl", records)
    (tmp_path / "list.json").write_text('[{"image": "a.png", "annotation": []}]')
    names = ["world", first, second, str(tmp_path), str(tmp_path / "list.json")]
    assert list(describe_source(DataSettings(source=dict.fromkeys(names, 1.0))).values()) == [
        "world",
        "COCO JSON",
        "COCO JSON",
        "Inst2Seg records",
        "published Inst2Seg JSON",
    ]


def test_a_folder_of_images_by_source(tmp_path: Path) -> None:
    first, second = str(shop(tmp_path / "a")), str(shop(tmp_path / "b", "../photos"))
    both = {first: 1.0, second: 1.0}
    settings = DataSettings(source=both, images={second: str(tmp_path / "photos")})
    mixed = open_source(settings, 0, 4)
    assert isinstance(mixed, Mixture)
    assert {mixed[number].image.shape for number in range(8)} == {(6, 10, 3)}
    with pytest.raises(InputError, match=r"b: 3 of 3 images are missing, such as '.*0\.png'"):
        open_source(DataSettings(source=both), 0, 4)
    with pytest.raises(ConfigError, match=r"data.images must name sources of data.source \(.*\), got 'c'"):
        check_source(DataSettings(source=both, images={"c": "."}))
    with pytest.raises(
        ConfigError, match=r"data.images must be the folder of the images of .*, got 'nowhere'"
    ):
        check_source(DataSettings(source=first, images="nowhere"))


def test_missing_images_are_skipped_only_on_request(tmp_path: Path) -> None:
    name = str(shop(tmp_path))
    (tmp_path / "images/1.png").unlink()
    with pytest.raises(InputError, match=r"1 of 3 images are missing"):
        open_source(DataSettings(source=name), 0, 4)
    source = open_source(DataSettings(source=name, on_error="skip", negatives_per_positive=0.0), 0, 4)
    assert isinstance(source, Shuffled)
    assert source.length == 2
    tally = Tally()
    assert (
        len(list(find_reader(name, DataSettings(source=name, on_error="skip")).read(tally))) == 3
    )  # of two images
    assert tally.left_out == {"instructions about images that are missing": 1}


def test_negatives_come_where_absence_is_known(tmp_path: Path) -> None:
    name = str(shop(tmp_path / "shop"))
    source = open_source(DataSettings(source=name, negatives_per_positive=1.0), 0, 4)
    assert isinstance(source, Shuffled)
    assert isinstance(source.source, WithNegatives)
    assert list(record_sources(source)) == [source.source.source]
    absent = [
        phrase.text
        for number in range(3)
        for one in source[number].instructions
        for phrase in one.phrases
        if not phrase.instances
    ]
    assert absent == ["key", "key"]  # in the two pictures without one
    records = list(find_reader(name, DataSettings(source=name)).read(Tally()))
    write_records(tmp_path / "records.jsonl", records)
    settings = {"source": str(tmp_path / "records.jsonl"), "images": str(tmp_path / "shop")}
    plain = open_source(DataSettings(**settings), 0, 4)
    assert isinstance(plain, Shuffled)
    assert not isinstance(plain.source, WithNegatives)
    anywhere = open_source(DataSettings(**settings, negatives_from="all", negatives_per_positive=1.0), 0, 4)
    added = [
        one for number in range(3) for one in anywhere[number].instructions if not one.phrases[0].instances
    ]
    assert [one.phrases[0].text for one in added] == ["key", "key"]  # whatever the wording of mugs
    assert added[0].text == next(one.instruction for one in records if one.phrases[0].text == "key")
    bare = DataSettings(source=name, templates=())
    with pytest.raises(InputError, match="holds no record to train on"):  # nor negatives
        open_source(bare, 0, 4)
    off = open_source(DataSettings(source=name, negatives_per_positive=0.0), 0, 4)
    assert sorted(len(off[number].instructions) for number in range(3)) == [1, 1, 2]


def test_a_validation_split_takes_the_place_of_a_share(tmp_path: Path) -> None:
    path, (train, val) = (
        preset_path("finetune"),
        (shop(tmp_path / part) / "instances.json" for part in ("a", "b")),
    )
    (tmp_path / "c/images").mkdir(parents=True)
    for part, name in ((train, "train"), (val, "valid")):
        (tmp_path / f"c/{name}").mkdir()
        part.rename(tmp_path / f"c/{name}/_annotations.coco.json")
    source, folder = f"data.source={tmp_path / 'c'}", f"output_dir={tmp_path / 'run'}"
    chosen = load_run(path, [source, folder]).validation
    assert (chosen.source, chosen.share) == (f"{tmp_path / 'c'}:val", 0)
    assert load_run(path, [source, folder, "validation.share=0.2"]).validation.share == 0.2
    assert load_run(path, [f"data.source={shop(tmp_path / 'd')}", folder]).validation.source == ""


def test_wrong_names_are_explained(tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text('[{"id": 1, "data": {"image": "a.png"}, "annotations": []}]')
    for name, message in (
        (
            "refcoco/trian",
            r"must be world, a path, hf:ORG/NAME, or with data.folder one of inst2seg/train, .*refcoco/tr",
        ),
        ("hf:name", "a data set of the hub must be hf:ORG/NAME"),
        (str(tmp_path), r"must be data of a known format: Inst2Seg records"),
        (str(tmp_path / "tasks.json"), r"tasks.json' must be data of a known format"),  # of Label Studio
    ):
        with pytest.raises(ConfigError, match=message):
            find_reader(name, DataSettings())
    with pytest.raises(ConfigError, match=r"^templates must be texts with"):
        DataSettings(templates=("mug",))
