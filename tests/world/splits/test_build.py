"""The benchmark splits: records that can be proved again, the same every time."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import read_records
from instructsam.errors import ConfigError, InputError
from instructsam.structures.masks import decode_rle, mask_boxes_xyxy
from instructsam.world.programs.operations import from_dict
from instructsam.world.scenes.facts import Facts
from instructsam.world.scenes.layout import sample_scene
from instructsam.world.scenes.render import render_scene
from instructsam.world.splits import build
from instructsam.world.splits.build import benchmark_records, build_split, stream_of
from instructsam.world.splits.stream import WorldSettings, scene_settings
from tests.world.cached import first_records


@pytest.mark.parametrize("split", get_args(build.Split))
def test_answers_follow_from_the_record_alone(split: build.Split) -> None:
    settings = scene_settings(WorldSettings(split=stream_of(split)))
    for image, record in first_records(split)[:4]:
        scene = sample_scene(record.meta["scene_seed"], settings)
        rendered = render_scene(scene, build.SHORT_SIDE)
        assert np.array_equal(np.asarray(image), rendered.image)
        assert (record.image.height, record.image.width) == rendered.image.shape[:2]
        assert min(image.size) == build.SHORT_SIDE
        programs, looks = record.meta["program"]["phrases"], record.meta["objects"]
        for phrase, data, things in zip(record.phrases, programs, looks, strict=True):
            indices = from_dict(data).answer(Facts.of(rendered))
            assert indices is not None
            masks = [decode_rle(instance.rle) for instance in phrase.instances]
            assert len(masks) == len(indices)
            for index, mask, instance in zip(indices, masks, phrase.instances, strict=True):
                assert np.array_equal(mask, rendered.masks[index])
                x, y, width, height = instance.box_xywh
                assert mask_boxes_xyxy(mask[None])[0].tolist() == [x, y, x + width, y + height]
                assert instance.category == scene.objects[index].kind
            assert [(one["kind"], one["color"], one["size"]) for one in things] == [
                (scene.objects[i].kind, scene.objects[i].color, scene.objects[i].size) for i in indices
            ]


def test_records_are_deterministic_and_splits_differ() -> None:
    first = [record for _, record in first_records("val")[:5]]
    assert first == [record for _, record in benchmark_records("val", limit=5)]
    other = [record for _, record in first_records("test")[:5]]
    assert not {r.meta["scene_seed"] for r in first} & {r.meta["scene_seed"] for r in other}
    assert not {r.id for r in first} & {r.id for r in other}


def test_hard_negatives_name_their_original() -> None:
    for _, record in first_records("test_hard_negative"):
        before, after = record.meta["original"].split(), record.instruction.split()
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1
        assert not any(phrase.instances for phrase in record.phrases)
    assert all("original" not in record.meta for _, record in first_records("test"))


def test_records_of_a_scene_share_one_image() -> None:
    pairs = first_records("val")[:3]
    assert len({id(image) for image, _ in pairs}) == len({record.image.file for _, record in pairs}) == 1


def test_a_split_is_written_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SCENES", 3)
    monkeypatch.setattr(build, "INSTRUCTIONS", 10)
    path = build_split("test", tmp_path / "world")
    records = list(read_records(path))
    assert records == [record for _, record in benchmark_records("test")]
    assert len(records) == 10
    assert len(list((tmp_path / "world" / "images").iterdir())) == 3
    for image, record in benchmark_records("test"):
        with Image.open(path.parent / record.image.file) as stored:
            assert np.array_equal(np.asarray(stored), np.asarray(image))


@pytest.mark.slow
def test_the_full_split_has_its_size() -> None:
    records = [record for _, record in benchmark_records("val")]
    assert len(records) == len({record.id for record in records}) == 1000
    assert len({record.meta["scene_seed"] for record in records}) == 300
    without = sum(not any(phrase.instances for phrase in record.phrases) for record in records)
    assert 100 <= without <= 200


def test_unknown_split() -> None:
    with pytest.raises(
        ConfigError, match=r"one of val, test, test_unseen_pairs, .*, calibration, got 'train'"
    ):
        benchmark_records("train")  # type: ignore[arg-type]


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InputError, match="taken: the split cannot be written"):
        build_split("val", tmp_path / "taken")
