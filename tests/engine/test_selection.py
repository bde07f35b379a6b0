"""The selection: every stage drops what it should, everything is counted, and splits keep near-duplicates together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.exclusion import BenchmarkImages
from instructsam.engine.candidates import PERSON, Candidate, Kind
from instructsam.engine.filters.images import SmallCopies
from instructsam.engine.rows import ImageRow
from instructsam.engine.selection import select
from instructsam.engine.selection_report import SelectionReport
from instructsam.engine.settings.balance import BalanceSettings
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.filters import FilterSettings
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.settings.write import WriteSettings
from instructsam.engine.splits import split_of
from instructsam.engine.write.selected import Selected, select_accepted
from instructsam.errors import InputError
from tests.engine.filters.rows import SIZE, candidate, outcome, rectangle, row

KEEP = BalanceSettings(negatives_per_positive=1e9, max_single_share=1.0, max_kind_share=1.0)


def config(
    filters: FilterSettings | None = None,
    balance: BalanceSettings = KEEP,
    write: WriteSettings | None = None,
) -> EngineConfig:
    return EngineConfig(
        output_dir=Path("run"),
        source=SourceSettings(data="coco.json"),
        vlm=VLMSettings(model="m", url="http://localhost:1/v1"),
        filters=filters or FilterSettings(),
        balance=balance,
        write=write or WriteSettings(),
    )


def accepted(
    found: ImageRow, *instructions: tuple[str, tuple[int, ...]], kind: Kind = "category"
) -> list[Selected]:
    candidates: list[Candidate] = [
        candidate(text, numbers, name=f"{found.id}#{number}", kind=kind)
        for number, (text, numbers) in enumerate(instructions)
    ]
    return list(select_accepted([(found, outcome(found.id, *candidates))]))


class Files:
    """Images of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, found: ImageRow) -> Image.Image:
        raise InputError("not needed")

    def path(self, found: ImageRow) -> Path | None:
        return self.folder / found.image.file

    def content(self, found: ImageRow) -> bytes:
        raise InputError("not needed")


class Drawn(Files):
    """Images that are no files."""

    def __init__(self, images: dict[str, Image.Image]) -> None:
        self.images = images

    def load(self, found: ImageRow) -> Image.Image:
        if found.image.file not in self.images:
            raise InputError("missing")
        return self.images[found.image.file]

    def path(self, found: ImageRow) -> Path | None:
        return None


def picture(seed: int, change: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 4, 3), dtype=np.uint8))
    large = np.asarray(small.resize(SIZE[::-1], Image.Resampling.BICUBIC)).astype(np.int64) + change
    return Image.fromarray(np.clip(large, 0, 255).astype(np.uint8))


def run(
    found: list[Selected],
    settings: EngineConfig | None = None,
    pictures: SmallCopies | None = None,
    benchmarks: BenchmarkImages | None = None,
) -> tuple[list[Selected], SelectionReport]:
    report = SelectionReport()
    kept = list(select(lambda: iter(found), settings or config(), report, pictures, benchmarks))
    return kept, report


def test_every_stage_drops_and_counts(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        picture(seed).save(tmp_path / f"{name}.png")
    picture(1, change=1).save(tmp_path / "z.png")
    (tmp_path / "tests").mkdir()
    picture(2).save(tmp_path / "tests" / "other.png")
    benchmarks = BenchmarkImages()
    benchmarks.add("some/test", tmp_path / "tests", ["other.png"])
    objects = [rectangle(0, 0, 30, 30), rectangle(40, 0, 5, 5), rectangle(40, 30, 20, 20)]
    a, b, c, z = (row(name, objects) for name in "abcz")
    found = [
        *accepted(a, ("mask 3", (1,)), ("tiny dogs", (2,)), ("big dogs", (1,)), ("The big dogs.", (1,))),
        *accepted(b, ("dogs of b", (1,))),
        *accepted(c, ("the dogs", (1, 3)), ("big dogs", (3,))),
        *accepted(z, ("dogs of z", (1,)), ("dogs of z, too", (3,))),
    ]
    settings = config(FilterSettings(images_per_group=1, copies_per_text=1))
    kept, report = run(found, settings, SmallCopies(Files(tmp_path)), benchmarks)
    assert [one.candidate.id for one in kept] in (["a#2", "c#0"], ["c#0", "c#1"])
    dropped = report.filters.dropped
    assert {key: count for key, count in dropped.items() if key[0] not in ("images", "set")} == {
        ("text", "leak"): 1,
        ("objects", "small object"): 1,
        ("benchmark", "picture of some/test (same bytes)"): 1,
        ("row", "equals another instruction of the image"): 1,
    }
    assert {stage: count for (stage, _), count in dropped.items() if stage in ("images", "set")} == {
        "images": 2,
        "set": 1,
    }
    assert report.filters.candidates == len(found) == sum(dropped.values()) + report.filters.kept
    assert report.filters.kept == len(kept) == sum(report.splits.values())
    assert report.images == {"images": 4, "groups of near-duplicate images": 1}
    assert report.filters.examples["text", "leak"] == "a#0: mask 3"
    assert any("dropped by text: 1 x leak (such as a#0: mask 3)" in line for line in report.lines())
    assert report.to_dict()["filters"]["kept"] == 2


def test_candidates_of_people_skip_words_and_objects() -> None:
    found = [
        replace(one, decision=replace(one.decision, votes={PERSON: 1.0}))
        for one in accepted(row(objects=[rectangle(0, 0, 5, 5)]), ("the bag on number 1", (1,)))
    ]
    assert [one.by_person for one in run(found)[0]] == [True]


def test_near_duplicates_are_in_one_split() -> None:
    images = {f"{number:03}.png": picture(number // 2, number % 2) for number in range(80)}
    found = [
        one
        for file in images
        for one in accepted(row(file[:3], [rectangle(0, 0, 30, 30)]), (f"dog of {file[:3]}", (1,)))
    ]
    write = WriteSettings(val_share=0.2, test_share=0.3)
    kept, report = run(found, config(write=write), SmallCopies(Drawn(images)))
    splits = {one.row.image.file: one.split for one in kept}
    assert len(splits) == 80
    assert all(splits[f"{n:03}.png"] == splits[f"{n + 1:03}.png"] for n in range(0, 80, 2))
    assert {"train", "val", "test"} == set(splits.values())
    assert report.images["groups of near-duplicate images"] == 40
    assert sum(report.split_images.values()) == 80
    # More images move none of the others, and neither does another order of the rows.
    fewer = run(found[:40], config(write=write), SmallCopies(Drawn(images)))[0]
    assert all(splits[one.row.image.file] == one.split for one in fewer)
    other = run(found[::-1], config(write=write), SmallCopies(Drawn(images)))[0]
    assert {one.row.image.file: one.split for one in other} == splits


def test_shares_of_the_splits() -> None:
    write = WriteSettings(val_share=0.1, test_share=0.2)
    found = [split_of(f"{number}.jpg", write) for number in range(4000)]
    assert found.count("val") == pytest.approx(400, rel=0.15)
    assert found.count("test") == pytest.approx(800, rel=0.1)
    more = WriteSettings(val_share=0.3, test_share=0.2)
    assert all(
        (one == "test") == (split_of(f"{number}.jpg", more) == "test") for number, one in enumerate(found)
    )


def test_unreadable_images_are_noted() -> None:
    found = accepted(row("a"), ("the dogs", (1,)))
    assert run(found, pictures=SmallCopies(Drawn({})))[1].filters.notes == {
        "images that cannot be read, compared by name alone": 1
    }
    assert run(found)[1].filters.notes == {"images that are not opened, compared by name alone": 1}
    off = config(FilterSettings(similar_images=False))
    assert not run(found, off, SmallCopies(Drawn({})))[1].filters.notes


def test_benchmarks_are_found_by_name_without_files() -> None:
    benchmarks = BenchmarkImages()
    benchmarks.add("refcoco/val", Path("train2014"), ["COCO_train2014_000000000123.jpg"])
    found = accepted(row("a", file="train2017/000000000123.jpg"), ("the dogs", (1,)))
    kept, report = run(found, benchmarks=benchmarks)
    assert not kept
    assert report.filters.dropped == {("benchmark", "picture of refcoco/val (same image id)"): 1}


def test_a_run_that_goes_on_meanwhile() -> None:
    found = accepted(row("a"), ("the dogs", (1,)), ("two cats", (2,)))
    readings = iter([found, [*accepted(row("0"), ("more dogs", (1,))), *found]])
    kept = list(select(lambda: next(readings), config(), SelectionReport()))
    assert [one.candidate.id for one in kept] == ["a#0", "a#1"]
    readings = iter([found, found[:1]])
    with pytest.raises(InputError, match=r"'a#1' in the second reading"):
        list(select(lambda: next(readings), config(), SelectionReport()))


def test_nothing_accepted() -> None:
    kept, report = run([])
    assert not kept
    assert report.lines()[0] == "kept 0 of 0 accepted candidates"
