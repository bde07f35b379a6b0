"""The export: records, COCO and Parquet files that are read back as they were written, whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
import yaml
from pyarrow import parquet
from pycocotools.coco import COCO

from instructsam.cli.main import run
from instructsam.data.detect import find_reader_of_path
from instructsam.data.formats.reader import ReadOptions
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record, read_records
from instructsam.data.regions import object_key
from instructsam.engine.filters.report import FilterReport
from instructsam.engine.rows import ImageRow
from instructsam.engine.selection_report import SelectionReport
from instructsam.engine.settings.write import WriteSettings
from instructsam.engine.write.export import export
from instructsam.engine.write.selected import Selected
from instructsam.errors import ConfigError, InputError
from instructsam.structures.masks import decode_rle

from .rows import FACTS, candidates, digests, images_of, make_row, make_set, save_photo, with_crowd

FILES = ("a.png", "b/c.jpg", "d.png")
TRAIN = ("a.png", "b/c.jpg")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def written(tmp_path: Path, photos: Path) -> Path:
    export(make_set(photos, FILES), tmp_path / "set", images_of(photos), FACTS, WriteSettings())
    return tmp_path / "set"


def answers(records: Iterator[Record]) -> dict[str, list[tuple[str, list[tuple[str, str]]]]]:
    """Instruction -> phrases with the regions of their targets, by image and text."""
    return {
        f"{record.image.file.split('/')[-1]}: {record.instruction}": [
            (phrase.text, sorted(object_key(one, record.image) for one in phrase.instances))
            for phrase in record.phrases
        ]
        for record in records
    }


def column(folder: Path, field: str) -> list[Any]:
    """A field of the images in the Parquet file to train on."""
    table = parquet.read_table(folder / "data/train-00000-of-00001.parquet", columns=["image"])
    return [image[field] for image in table["image"].to_pylist()]


def test_records_hold_answers_and_provenance(written: Path) -> None:
    records = list(read_records(written / "train/records.jsonl"))
    assert [record.id for record in records[:4]] == [f"a.png#{number}" for number in range(4)]
    first, second, third, _ = records[:4]
    assert (first.image.file, first.family, len(first.phrases[0].instances)) == (
        "images/a.png",
        "category",
        2,
    )
    assert first.meta["engine"] == {
        **{"model": "proposer-7b", "verifier": "verifier-7b", "prompts": FACTS.prompts, "round": 0},
        **{"votes": {"agreement": 1.0, "votes": 3.0}, "by": "model", "row": "a.png"},
        **{"source": "shop/instances.json", "licence": "CC BY 4.0"},
    }
    assert (second.meta["engine"]["by"], second.meta["engine"]["round"]) == ("person", 1)
    assert third.phrases[0].instances == ()
    assert {record.image.file for record in read_records(written / "val/records.jsonl")} == {"images/d.png"}


def test_data_check_passes(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train/records.jsonl", "train/instances.json", "val"):
        assert run(["data", "check", str(written / name)]) == 0
        found = capsys.readouterr().out
        assert "missing" not in found
        assert "left out" not in found


def test_coco_files_hold_the_same_answers(written: Path) -> None:
    reader = find_reader_of_path(str(written / "train/instances.json"), ReadOptions())
    tally = Tally()
    found = answers(record for record in reader.read(tally) if "text-" in record.id)
    assert not tally.left_out
    expected = answers(read_records(written / "train/records.jsonl"))
    assert found.keys() == expected.keys()
    for text, phrases in expected.items():
        assert sorted(key for _, keys in found[text] for key in keys) == sorted(
            key for _, keys in phrases for key in keys
        )
    assert reader.licence("images/a.png") == "CC BY 4.0"
    coco = COCO(str(written / "val/instances.json"))
    assert decode_rle(coco.annToRLE(coco.anns[1])).sum() == coco.anns[1]["area"] == 100
    assert {category["name"] for category in coco.loadCats(coco.getCatIds())} == {"mug", "pen"}


def test_parquet_files_hold_the_same_records(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    reader = find_reader_of_path(str(written / "data:train"), ReadOptions())
    found = list(reader.read(Tally()))
    expected = list(read_records(written / "train/records.jsonl"))
    assert [(one.id, one.instruction, one.family) for one in found] == [
        (one.id, one.instruction, one.family) for one in expected
    ]
    assert answers(iter(found)) == answers(iter(expected))
    assert {record.meta["engine"]["licence"] for record in found} == {"CC BY 4.0"}
    assert reader.images.load(found[0]).shape == (48, 48, 3)
    hub = datasets.load_dataset(str(written), split="val", cache_dir=str(tmp_path / "hub"))
    assert hub[0]["image"].size == (48, 48)
    instruction = hub[0]["instructions"][3]
    assert instruction["phrases"][1] == {"text": "the pen", "objects": [2]}
    assert hub[0]["objects"][2]["category"] == "pen"


@pytest.mark.slow
def test_all_formats_are_trained_on(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from instructsam.training.settings import ModelSettings
    from instructsam.training.start import start_model
    from instructsam.world.splits.stream import all_texts

    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    settings = ModelSettings(preset="tiny", vocab_size=400, tokenizer_texts=300)
    for made in start_model(settings, all_texts):
        made.save_pretrained(tmp_path / "model")
    fast = ["device=cpu", "precision=float32", "data.images_per_batch=1", "data.instructions_per_image=2"]
    for name in ("train/records.jsonl", "train/instances.json", "data:train"):
        out = tmp_path / name.replace("/", "-").replace(":", "-")
        files = ["--data", str(written / name), "--model", str(tmp_path / "model"), "--output-dir", str(out)]
        assert run(["train", *files, *fast, "--max-steps", "2", "validation.share=0"]) == 0
        steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
        assert steps[-1] == 2


def test_the_same_bytes_every_time(written: Path, photos: Path, tmp_path: Path) -> None:
    before = digests(written)
    export(make_set(photos, FILES), tmp_path / "again", images_of(photos), FACTS, WriteSettings())
    assert digests(tmp_path / "again") == before
    shorter = make_set(photos, FILES[:1])
    export(shorter, written, images_of(photos), FACTS, WriteSettings(formats=("records",)))
    left = {"README.md", "export.json", "train/images/a.png", "train/records.jsonl"}
    assert set(digests(written)) == left
    assert set(os.listdir(tmp_path)) == {"photos", "set", "again"}


def test_an_export_that_fails_leaves_the_old_one(written: Path, photos: Path, tmp_path: Path) -> None:
    before = digests(written)
    (photos / "d.png").unlink()

    def selected() -> Iterator[Selected]:
        for file in FILES:
            yield from (Selected(make_row(file), decision) for decision in candidates(make_row(file)))

    with pytest.raises(InputError, match=r"d\.png cannot be put into the export"):
        export(selected(), written, images_of(photos), FACTS, WriteSettings())
    with pytest.raises(InputError, match="no accepted candidate is left to export"):
        export([], written, images_of(photos), FACTS, WriteSettings())
    assert digests(written) == before
    with pytest.raises(InputError, match=r"photos: expected a new or empty folder, .* got one with 2 other"):
        export(selected(), photos, images_of(photos), FACTS, WriteSettings())
    assert set(os.listdir(tmp_path)) == {"photos", "set"}


def test_images_are_linked_copied_or_left(written: Path, photos: Path, tmp_path: Path) -> None:
    assert (written / "train/images/a.png").samefile(photos / "a.png")
    copied, named = tmp_path / "copied", tmp_path / "named"
    export(make_set(photos, FILES), copied, images_of(photos), FACTS, WriteSettings(images="copy"))
    assert not (copied / "train/images/a.png").samefile(photos / "a.png")
    assert digests(copied / "train/images") == digests(written / "train/images")
    settings = WriteSettings(images="none", embed_images=False)
    export(make_set(photos, FILES), named, images_of(photos), FACTS, settings)
    assert not (named / "train/images").exists()
    files = {record.image.file for record in read_records(named / "train/records.jsonl")}
    assert files == set(TRAIN)
    content = [(photos / file).read_bytes() for file in TRAIN]
    assert column(written, "bytes") == content
    assert column(named, "bytes") == [None, None]
    assert column(named, "path") == list(TRAIN)
    settings = WriteSettings(embed_images=False)
    export(make_set(photos, FILES), named, images_of(photos), FACTS, settings)
    paths = column(named, "path")
    assert [(named / "data" / path).read_bytes() for path in paths] == content


def test_names_are_safe_and_never_one_for_two_images(photos: Path, tmp_path: Path) -> None:
    files = ("con.png", "a:b?.png", "a_b_.png", "x/A.png", "x/a.png", "..hidden/ö|.png")
    for number, file in enumerate(files):
        save_photo(photos / file, 10 * number)
    rows = [make_row(file) for file in files]
    selected = (Selected(row, decision) for row in rows for decision in candidates(row))
    export(selected, tmp_path / "set", images_of(photos), FACTS, WriteSettings())
    found = sorted(
        path.relative_to(tmp_path / "set/train/images").as_posix()
        for path in (tmp_path / "set/train/images").rglob("*.png")
    )
    assert len({name.lower() for name in found}) == len(files)
    assert {"_con.png", "a_b_.png", "x/A.png", "_..hidden/ö_.png"} <= set(found)
    assert all(set(name).isdisjoint(':?|\\"<>*') for name in found)
    assert run(["data", "check", str(tmp_path / "set/train/records.jsonl")]) == 0


def test_crowds_and_unnamed_objects(photos: Path, tmp_path: Path) -> None:
    def selected() -> Iterator[Selected]:
        for one in make_set(photos, ("a.png",)):
            objects = tuple(replace(thing, category="") for thing in one.row.instances[:1])
            row: ImageRow = replace(one.row, instances=(*objects, *one.row.instances[1:]))
            yield with_crowd(replace(one, row=row))

    export(selected(), tmp_path / "set", images_of(photos), FACTS, WriteSettings())
    crowds = [len(record.crowds) for record in read_records(tmp_path / "set/train/records.jsonl")]
    assert crowds == [1, 1, 0, 1]
    coco = json.loads((tmp_path / "set/train/instances.json").read_text())
    assert [entry["iscrowd"] for entry in coco["annotations"]] == [0, 0, 0, 1]
    assert coco["annotations"][0]["category_id"] is None
    reader = find_reader_of_path(str(tmp_path / "set/train/instances.json"), ReadOptions())
    assert len([record for record in reader.read(Tally()) if "text-" in record.id]) == 4


def test_an_export_to_a_url_replaces_an_earlier_one(photos: Path, tmp_path: Path, written: Path) -> None:
    memory = fsspec.filesystem("memory")
    url = "memory://bucket/set"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    try:
        for files in ((*FILES, "e.png"), FILES):
            export(make_set(photos, files), url, images_of(photos), FACTS, WriteSettings(), scratch=scratch)
        names = {name.removeprefix("/bucket/set/") for name in memory.find("/bucket/set")}
        assert names == set(digests(written))
        assert memory.cat_file("/bucket/set/README.md") == (written / "README.md").read_bytes()
        assert not os.listdir(scratch)
        memory.rm_file("/bucket/set/export.json")
        with pytest.raises(InputError, match="expected a new or empty folder"):
            export(make_set(photos, FILES), url, images_of(photos), FACTS, WriteSettings())
    finally:
        memory.rm("/bucket", recursive=True)


def test_the_card_escapes_everything(photos: Path, tmp_path: Path) -> None:
    bad = "<script>alert(1)</script> | `x` --- [y](z)\n---\nlicense: mit"
    report = SelectionReport(FilterReport(candidates=9, kept=4))
    report.filters.drop("text", bad, bad)
    row = replace(make_row("a.png"), licence=bad, source=bad)
    save_photo(photos / "a.png", 50)
    facts = replace(FACTS, model=bad, command=f"engine export `{bad}`")
    selected = [Selected(row, decision) for decision in candidates(row)]
    settings = WriteSettings(name=bad)
    export(selected, tmp_path / "set", images_of(photos), facts, settings, report, {bad: 2})
    text = (tmp_path / "set/README.md").read_text()
    _, front, body = text.split("---\n", 2)
    values = yaml.safe_load(front)
    assert values["license"] == "other"
    assert values["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    outside = body.split("```")[::2]
    assert "<script>" not in "".join(outside)
    assert "`x`" not in "".join(outside)
    assert "dropped by" in body
    assert "Of 9 accepted candidates 4 were kept." in body


def test_the_card_has_counts_and_origin(written: Path) -> None:
    text = (written / "README.md").read_text()
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "cc-by-4.0"
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    assert ["", "train", "val"] in rows
    assert ["instructions", "8", "4"] in rows
    assert ["with 0 targets", "2", "1"] in rows
    assert ["proposed by", "proposer-7b"] in rows
    assert ["CC BY 4.0", "3"] in rows
    manifest = json.loads((written / "export.json").read_text())
    assert manifest["splits"]["train"]["kinds"] == {"category": 2, "order": 2, "several": 2, "absent": 2}


def test_settings_that_fit_together() -> None:
    with pytest.raises(ConfigError, match="at least one of records, coco, parquet"):
        WriteSettings(formats=())
    with pytest.raises(ConfigError, match=r"must leave images to train on, got 0\.5 and 0\.5"):
        WriteSettings(val_share=0.5, test_share=0.5)
