"""The commands that only pass on: evaluate, train, data check, world build."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from instructsam.experiments.sources import open_source
from instructsam.experiments.validation import open_validate

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


def test_evaluate_prints_the_table(command: Command, segmenter: FakeSegmenter) -> None:
    code, out, err = command("evaluate", "my-model", "--limit", "2", "--mode", "direct")
    assert code == 0
    assert err == ""
    assert "gIoU" in out
    assert "world/val" in out
    assert "my-model" in out
    assert segmenter.requests[0] == {"load": "my-model", "device": "auto"}
    asked = segmenter.requests[1:]
    assert sum(len(call["instructions"]) for call in asked) == 2
    assert {call["mode"] for call in asked} == {"direct"}
    assert {call["score_threshold"] for call in asked} == {0.0}, "the benchmark needs the whole ranking"


def test_evaluate_writes_json_and_files(command: Command, segmenter: FakeSegmenter, tmp_path: Path) -> None:
    segmenter.noisy = True
    out_folder = tmp_path / "scores"
    code, out, err = command("evaluate", "--limit", "2", "--json", "--out", out_folder)
    assert code == 0
    assert "noise" in err
    document = json.loads(out)
    assert document["benchmark"] == "world/val"
    assert document["summary"]["overall"]["instructions"] == 2
    assert json.loads((out_folder / "report.json").read_text()) == document
    assert "gIoU" in (out_folder / "report.md").read_text()
    assert "precision at IoU .50" in (out_folder / "report.md").read_text()
    assert "data:image/svg+xml" in (out_folder / "report.html").read_text()
    assert (out_folder / "predictions.jsonl").stat().st_size > 0
    assert {call["mode"] for call in segmenter.requests[1:]} <= {"auto", "generate", "direct"}


def test_without_the_extra_all_files_but_the_page_are_written(
    command: Command, segmenter: FakeSegmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, out, err = command("evaluate", "--limit", "2", "--out", tmp_path)
    assert code == 0
    assert "gIoU" in out
    assert "report.html is not written: plots need matplotlib: pip install 'instructsam[report]'" in err
    assert sorted(path.suffix for path in tmp_path.glob("report.*")) == [".json", ".md"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--benchmark", "absent"], "world/val"),
        (["--limit", "0"], "--limit"),
        (["--mode", "fast"], "--mode"),
        (["--device", "gpu"], "--device"),
    ],
)
def test_evaluate_says_what_is_wrong_before_loading(
    command: Command, segmenter: FakeSegmenter, arguments: list[str], words: str
) -> None:
    code, out, err = command("evaluate", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert segmenter.requests == []


def test_train_hands_its_arguments_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("instructsam.training.trainer.run_config", lambda *arguments: seen.extend(arguments))
    config = tmp_path / "run.yaml"
    config.write_text(f"seed: 3\noutput_dir: {tmp_path}/run\nmodel: {{preset: tiny}}\n")
    options = ["--max-minutes", "9", "--max-steps", "300"]
    code, out, err = command("train", config, "seed=4", "optim.lr=1e-3", *options)
    assert code == 0
    run, open_again, resume, *_ = seen
    assert (run.seed, run.optim.lr, run.schedule.max_minutes, run.schedule.total_steps) == (4, 1e-3, 9, 300)
    assert (open_again().name, resume) == ("world", False)
    assert "length: 300 steps of 4 samples" in err
    assert f"{tmp_path}/run/last" in out


def test_train_passes_several_stages_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    stages = ModuleType("instructsam.training.stages")
    stages.train_stages = lambda *arguments: seen.extend(arguments) or Path("runs/x/model")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "instructsam.training.stages", stages)
    configs = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    for config in configs:
        config.write_text("seed: 3\n")
    assert command("train", *configs, "seed=4", "--resume", "--max-minutes", "9")[0] == 0
    assert seen == [configs, open_source, ["seed=4"], True, 9.0, open_validate]


@pytest.mark.parametrize("change", ["sede=4", "seed=four", "seed"])
def test_train_refuses_a_wrong_override_in_one_line(command: Command, tmp_path: Path, change: str) -> None:
    (tmp_path / "run.yaml").write_text("seed: 3\n")
    code, out, err = command("train", tmp_path / "run.yaml", change)
    assert (code, out) == (2, "")
    assert change.partition("=")[0] in err
    assert err.count("\n") == 1


def test_data_check_counts_or_names_the_line(command: Command, tmp_path: Path) -> None:
    from instructsam.data.record import write_records
    from instructsam.world.splits.build import benchmark_records

    path = tmp_path / "records.jsonl"
    records = [record for _, record in benchmark_records("val", 3)]
    write_records(path, records)
    code, out, _ = command("data", "check", path)
    assert code == 0
    assert f"3 records, {sum(len(record.phrases) for record in records)} phrases" in out
    path.write_text(path.read_text() + "{}\n")
    code, out, err = command("data", "check", path)
    assert (code, out) == (2, "")
    assert "records.jsonl" in err
    assert "4" in err
    code, _, err = command("data", "check", tmp_path / "absent.jsonl")
    assert code == 2
    assert err.count("\n") == 1


def grefcoco(folder: Path) -> None:
    """gRefCOCO's validation split with one expression."""
    size = {"height": 4, "width": 4}
    truth = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]]}
    instances = {"images": [{"id": 1, "file_name": "1.png", **size}], "annotations": [truth]}
    sentences = [{"sent_id": 1, "sent": "the dog"}]
    ref = {"ref_id": 1, "image_id": 1, "ann_id": [1], "split": "val", "sentences": sentences}
    (folder / "grefcoco").mkdir(parents=True)
    (folder / "grefcoco/instances.json").write_text(json.dumps(instances))
    (folder / "grefcoco/grefs(unc).json").write_text(json.dumps([ref, {**ref, "split": "testA"}]))
    (folder / "coco/train2014").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(folder / "coco/train2014/1.png")


def test_data_check_of_a_folder(command: Command, tmp_path: Path) -> None:
    grefcoco(tmp_path)
    code, out, err = command("data", "check", tmp_path)
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0] == "grefcoco/val: 1 records, 1 phrases, 1 instances, 0 without target"
    assert lines[1] == "grefcoco/val: left out: 1 x references of other splits"
    assert lines[-1].startswith("2 of ")
    assert "--missing" in lines[-1]
    assert not any("missing " in line for line in lines[:-1])
    code, out, _ = command("data", "check", tmp_path, "--missing")
    listed = out.splitlines()
    assert (code, listed[: len(lines) - 1]) == (0, lines[:-1])  # what is there comes first
    assert any(
        line.startswith("grefcoco/testB: missing its split in grefcoco/grefs(unc).json") for line in listed
    )
    assert any(
        line.startswith("refcoco/val: missing refcoco/refs(unc).p") and "REFER" in line for line in listed
    )
    (tmp_path / "coco/train2014/1.png").unlink()
    code, out, _ = command("data", "check", tmp_path, "--json")
    found = {entry["benchmark"]: entry for entry in json.loads(out)["found"]}
    assert found["grefcoco/val"]["absent_images"] == 1
    assert code == 1


def test_data_check_fails_when_something_there_is_broken(command: Command, tmp_path: Path) -> None:
    assert command("data", "check", tmp_path)[0] == 1  # nothing is there
    (tmp_path / "none.jsonl").write_text("")
    assert command("data", "check", tmp_path / "none.jsonl")[0] == 1
    code, _, err = command("data", "check", tmp_path / ("n" * 300))
    assert (code, err.count("\n")) == (2, 1)
    grefcoco(tmp_path)
    (tmp_path / "inst2seg").mkdir()
    (tmp_path / "inst2seg/inst2seg.json").write_text("[]")
    code, out, _ = command("data", "check", tmp_path)
    assert code == 1
    assert "inst2seg/train: incomplete, without inst2seg/images; get" in out
    (tmp_path / "inst2seg/images").mkdir()
    code, out, _ = command("data", "check", tmp_path)
    assert (code, "inst2seg/train: 0 records" in out) == (1, True)
    (tmp_path / "inst2seg/inst2seg.json").unlink()
    path = tmp_path / "grefcoco/instances.json"
    instances = path.read_text()
    path.write_text(instances.replace("[[0, 0, 2, 0, 2, 2, 0, 2]]", "[[0, 0, NaN, 0, 2, 2, 0, 2]]"))
    code, out, _ = command("data", "check", tmp_path)
    assert "left out: 1 x annotations with a damaged mask" in out
    assert "instances.json, at annotations[0].segmentation[0]: expected a polygon" in out
    assert code == 1  # no record is left
    path.write_text(instances.replace("annotations", "\\u001b[2J"))
    code, out, err = command("data", "check", tmp_path)
    assert code == 1
    assert "the field 'annotations' is missing" in out
    assert "\x1b" not in out + err


def test_data_check_of_a_folder_of_records_looks_for_its_pictures(command: Command, tmp_path: Path) -> None:
    image = {"file": unicodedata.normalize("NFC", "é.png"), "height": 4, "width": 4}
    record = {"id": "1", "image": image, "instruction": "x", "phrases": [{"text": "x", "instances": []}]}
    (tmp_path / "records.jsonl").write_text(json.dumps(record))
    code, out, _ = command("data", "check", tmp_path)
    assert code == 1
    assert "1 images are missing, such as" in out
    picture = tmp_path / unicodedata.normalize("NFD", "é.png")
    picture.write_bytes(b"x")
    code, out, _ = command("data", "check", tmp_path)
    assert code == 1
    assert "1 images cannot be read, such as" in out
    Image.new("RGB", (4, 4)).save(picture)
    code, out, _ = command("data", "check", tmp_path)
    assert (code, "missing" in out) == (0, False)
    picture.unlink()
    assert command("data", "check", tmp_path / "records.jsonl")[0] == 0


def test_evaluate_on_a_published_benchmark(
    command: Command, segmenter: FakeSegmenter, tmp_path: Path
) -> None:
    grefcoco(tmp_path)
    code, out, _ = command("evaluate", "my-model", "grefcoco/val", "--data", tmp_path)
    assert code == 0
    assert "## grefcoco/val" in out
    assert "Note: left out: 1 x references of other splits" in out
    code, out, err = command("evaluate", "my-model", "grefcoco/val", "--benchmark", "world/val")
    assert (code, out) == (2, "")
    assert "leave one out" in err


def test_world_build_hands_its_arguments_on(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(
        "instructsam.world.splits.build.build_split", lambda *arguments: seen.extend(arguments)
    )
    code, out, _ = command("world", "build", "--split", "test", "--out", tmp_path / "t")
    assert code == 0
    assert seen == ["test", tmp_path / "t"]
    assert "records.jsonl" in out
