"""tools/make_photo_set.py and the drawings of tools/photo_set_kinds.py: a COCO data set of unknown kinds."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from instructsam.data.formats.coco import read_categories
from instructsam.data.formats.source import Tally
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.world.instructions.invented import KNOWN
from instructsam.world.language.lexicon import plural
from instructsam.world.scenes.drawings import registry
from instructsam.world.scenes.scene import KINDS

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def write(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Run the script in this process; its new drawings go into a copy of the world's registry."""
    monkeypatch.syspath_prepend(TOOLS)
    monkeypatch.setattr(registry, "DRAWINGS", dict(registry.DRAWINGS))
    monkeypatch.setattr(sys, "argv", ["make_photo_set.py", *map(str, arguments)])
    runpy.run_path(str(TOOLS / "make_photo_set.py"), run_name="__main__")


def test_writes_three_splits_with_new_and_absent_kinds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    new = runpy.run_path(str(TOOLS / "photo_set_kinds.py"))["NEW_KINDS"]
    out = tmp_path / "set"
    write(monkeypatch, out, "--images", 12, "--held-out", 6, "--short-side", 96)
    tally = Tally()
    records = list(read_categories(out / "train.json", "", tally))
    assert not tally.left_out
    assert len({record.image.file for record in records}) == 12
    assert {record.instruction for record in records} & set(new)
    assert {record.instruction for record in records} & set(KINDS)
    images = {split: (out / split / "000001.jpg").read_bytes() for split in ("train", "val", "test")}
    assert len(set(images.values())) == 3, "the splits share no scene"
    families: set[str] = set()
    for image, record in Benchmark.from_folder(out / "test").iterate():
        assert isinstance(image, Image.Image)
        answers = record.phrases[0].instances
        assert bool(answers) != record.family.startswith("absent")
        assert {thing.category for thing in answers} <= {record.instruction}
        families.add(record.family)
    assert families == {"new kind", "known kind", "absent new kind", "absent known kind"}
    document = json.loads((out / "test.json").read_text("utf-8"))
    assert {category["name"] for category in document["categories"]} == {*KINDS, *new}
    with pytest.raises(SystemExit):
        write(monkeypatch, out)


def test_the_same_seed_writes_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        write(monkeypatch, tmp_path / name, "--images", 2, "--held-out", 1, "--kinds", "anchor", "guitar")
        contents.append([path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))])
    assert contents[0] == contents[1]


def test_the_new_kinds_are_words_that_the_world_lacks() -> None:
    new = runpy.run_path(str(TOOLS / "photo_set_kinds.py"))["NEW_KINDS"]
    assert len(new) >= 6
    assert not {word for kind in new for word in (kind, plural(kind))} & KNOWN
