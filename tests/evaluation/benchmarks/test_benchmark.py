from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from instructsam.data.formats.coco import ONLY_CROWDS
from instructsam.data.published import Published
from instructsam.data.record import InstanceRecord, write_records
from instructsam.data.targets import WITHOUT_MASK
from instructsam.errors import ImageError, InputError
from instructsam.evaluation.benchmarks import names
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.names import benchmark_names, get_benchmark
from instructsam.evaluation.runner import evaluate
from instructsam.structures.masks import encode_rle
from instructsam.world.splits.names import Split
from tests.evaluation.fakes import HEIGHT, RECORDS, WIDTH, Oracle


def write_folder(folder: Path, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    write_records(folder / "records.jsonl", RECORDS)
    for name in ("one.png", "two.png"):
        Image.new("RGB", size, "gray").save(folder / name)
    return folder


def test_a_folder_is_a_benchmark(tmp_path: Path) -> None:
    benchmark = get_benchmark(write_folder(tmp_path))
    pairs = list(benchmark.iterate())
    assert tuple(record for _, record in pairs) == RECORDS
    assert pairs[0][0] is pairs[2][0]
    assert len(list(benchmark.iterate(2))) == 2
    assert evaluate(Oracle(), benchmark).summary["overall"]["giou"] == 1.0


def test_an_image_of_another_size_is_an_error(tmp_path: Path) -> None:
    benchmark = Benchmark.from_folder(write_folder(tmp_path, (HEIGHT, WIDTH)))
    with pytest.raises(
        InputError, match=r"'r1'.*one.png: the record states 40 x 20 px, the image has 20 x 40"
    ):
        list(benchmark.iterate())


def test_a_missing_image_is_an_error(tmp_path: Path) -> None:
    (write_folder(tmp_path) / "two.png").unlink()
    with pytest.raises(ImageError, match=r"two\.png"):
        list(Benchmark.from_folder(tmp_path).iterate())


def test_a_published_benchmark_is_one_reader_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path)
    mine = Published("mine/val", ("records.jsonl",), "", "it from its authors", lambda *_: iter(RECORDS))
    monkeypatch.setattr(names, "PUBLISHED", (*names.PUBLISHED, mine))
    assert names.is_benchmark_name("mine/val")
    found = evaluate(Oracle(), get_benchmark("mine/val", tmp_path))
    assert (found.benchmark, found.summary["overall"]["giou"]) == ("mine/val", 1.0)


def test_every_split_of_the_world_is_a_benchmark() -> None:
    names = (*get_args(Split), "own_words", "own_words_open", "own_words_closed")
    assert benchmark_names() == tuple(f"world/{name}" for name in names)


def test_names_and_limits(tmp_path: Path) -> None:
    assert benchmark_names() == (
        "world/val",
        "world/test",
        "world/test_unseen_pairs",
        "world/test_unseen_wording",
        "world/test_crowded",
        "world/test_hard_negative",
        "world/val_unseen_style",
        "world/test_unseen_style",
        "world/calibration",
        "world/own_words",
        "world/own_words_open",
        "world/own_words_closed",
    )
    with pytest.raises(InputError, match=r"world/own_words_closed, or a folder .* got 'world/vall'"):
        get_benchmark("world/vall")
    with pytest.raises(InputError, match=r"must hold records\.jsonl"):
        get_benchmark(tmp_path)
    with pytest.raises(InputError, match=r"limit .* must be a whole number from 1 .* got int 0"):
        list(Benchmark.from_folder(write_folder(tmp_path)).iterate(0))


def test_the_world_is_a_benchmark() -> None:
    pairs = list(get_benchmark("world/val").iterate(5))
    assert len(pairs) == 5
    assert len({record.id for _, record in pairs}) == 5
    assert all(min(image.size) == 256 for image, _ in pairs)


def test_own_words_are_a_benchmark() -> None:
    pairs = list(get_benchmark("world/own_words").iterate(4))
    assert [record.family for _, record in pairs][:2] == ["function", "logic"]
    assert all(min(image.size) == 256 for image, _ in pairs)


def test_the_parts_of_own_words_are_benchmarks() -> None:
    for part in ("open", "closed"):
        benchmark = get_benchmark(f"world/own_words_{part}")
        assert benchmark.check() == 90
        assert [record.meta["part"] for record in benchmark.records(4)] == [part] * 4


def test_a_record_with_a_target_without_mask_is_left_out_and_counted(tmp_path: Path) -> None:
    write_folder(tmp_path)
    boxed = InstanceRecord(None, (0.0, 0.0, 4.0, 4.0))
    phrases = (replace(RECORDS[0].phrases[0], instances=(boxed,)),)
    unknown = [
        replace(RECORDS[0], id="box", phrases=phrases),
        replace(RECORDS[0], id="other", alternatives=((boxed,),)),
    ]
    write_records(tmp_path / "records.jsonl", [*RECORDS, *unknown])
    benchmark = Benchmark.from_folder(tmp_path)
    assert [record.id for record in benchmark.records()] == [record.id for record in RECORDS]
    assert benchmark.tally.left_out == {WITHOUT_MASK: 2}


def test_a_record_whose_only_regions_are_crowds_or_ignored_is_not_a_no_target(tmp_path: Path) -> None:
    write_folder(tmp_path)
    silent = next(one for one in RECORDS if not any(phrase.instances for phrase in one.phrases))
    region = encode_rle(np.ones((HEIGHT, WIDTH), dtype=np.bool_))
    unknown = [
        replace(silent, id="crowd", crowds=(region,)),
        replace(silent, id="ignored", ignore=region),
    ]
    write_records(tmp_path / "records.jsonl", [*RECORDS, *unknown])
    benchmark = Benchmark.from_folder(tmp_path)
    assert [record.id for _, record in benchmark.iterate()] == [record.id for record in RECORDS]
    assert benchmark.tally is not None
    assert benchmark.tally.left_out == {ONLY_CROWDS: 2}
    assert benchmark.check() == len(RECORDS)
