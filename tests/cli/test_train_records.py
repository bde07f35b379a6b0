"""`instructsam train CONFIG data.source=FOLDER`: 4 steps on Inst2Seg records, stopped, resumed and evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.cli.main import run
from instructsam.data.record_source import RecordSource
from instructsam.data.sources import endless
from instructsam.training.checkpointing import latest_step
from instructsam.world.splits import build
from tests.cached import cached_inputs

CONFIG = """
device: cpu
precision: float32
model: {preset: tiny, vocab_size: 400, tokenizer_texts: 300}
data: {images_per_batch: 2, instructions_per_image: 3}
optim: {warmup_steps: 1}
schedule: {total_steps: 4, log_seconds: 0, export_dtype: float32}
"""


@pytest.fixture(scope="module", autouse=True)
def inputs_are_cached() -> Iterator[None]:
    with cached_inputs():
        yield


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve instructions about four scenes, made by the command."""
    monkeypatch.setattr(build, "SCENES", 4)
    monkeypatch.setattr(build, "INSTRUCTIONS", 12)
    monkeypatch.setattr(build, "SHORT_SIDE", 64)
    assert run(["world", "build", "--split", "val", "--out", str(tmp_path / "records")]) == 0
    return tmp_path / "records"


def log(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{"step": line["step"], "parts": line["parts"]} for line in lines]


def test_train_resume_and_evaluate(records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text(CONFIG)
    train = ["train", str(tmp_path / "run.yaml"), f"data.source={records}"]
    whole, sliced = ([*train, f"output_dir={tmp_path / name}"] for name in ("whole", "sliced"))
    assert run(whole) == 0
    assert run([*sliced, "--max-minutes", "1e-9"]) == 0
    assert latest_step(tmp_path / "sliced/checkpoints") == 1
    assert run([*sliced, "--resume"]) == 0
    assert log(tmp_path / "sliced") == log(tmp_path / "whole")
    model = str(tmp_path / "sliced/model")
    capsys.readouterr()
    code = run(["evaluate", model, str(records), "--mode", "direct", "--limit", "6", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert (code, document["benchmark"]) == (0, str(records))
    assert document["summary"]["overall"]["instructions"] == 6


def test_changed_records_are_not_resumed_on(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text(CONFIG)
    train = ["train", str(tmp_path / "run.yaml"), f"data.source={records}", f"output_dir={tmp_path / 'run'}"]
    assert run([*train, "--max-minutes", "1e-9"]) == 0
    lines = (records / "records.jsonl").read_text().splitlines(keepends=True)
    (records / "records.jsonl").write_text("".join(lines[:-1]))
    capsys.readouterr()
    assert run([*train, "--resume"]) == 2
    assert f"was trained on other contents of {records} than are there now" in capsys.readouterr().err


def test_a_broken_image_stops_with_a_checkpoint(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run.yaml").write_text(CONFIG)
    train = ["train", str(tmp_path / "run.yaml"), f"data.source={records}", "data.images_per_batch=1"]
    whole, broken = ([*train, f"output_dir={tmp_path / name}"] for name in ("whole", "broken"))
    assert run(whole) == 0
    source = endless(RecordSource.open(records, 3), seed=0)
    images = [source[index].image for index in range(4)]
    files = {file: np.asarray(Image.open(file)) for file in (records / "images").iterdir()}
    (third,) = (file for file, image in files.items() if np.array_equal(image, images[2]))
    content = third.read_bytes()
    third.write_bytes(content[:100])
    capsys.readouterr()
    assert run(broken) == 2
    shown = capsys.readouterr().err
    assert shown.splitlines()[-1].startswith(f"instructsam: error: {third}: ")
    reached = latest_step(tmp_path / "broken/checkpoints")
    assert reached == next(i for i, image in enumerate(images) if np.array_equal(image, images[2]))
    third.write_bytes(content)
    assert run([*broken, "--resume"]) == 0
    assert log(tmp_path / "broken") == log(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.source=RECORDS", "loss.objectives.dense_classes=1"], "set loss.objectives.dense_classes=0"),
        (["data.source=nowhere"], "there is no file or folder 'nowhere'"),
        (
            ["data.source=refcoco/val", "data.folder=."],
            "must not be a test split, got refcoco/val: train on one of",
        ),
        (["data.source=refcoco/train"], "refcoco/train needs its files: set data.folder"),
        (["data.source=refcoco/train", "data.folder=."], "needs refcoco/refs(unc).p"),
        (
            ["data.source={world: 1, RECORDS: 0}"],
            "data.source must be a name, or names with weights in (0, 1000000]",
        ),
        (["data.world.colour=red"], "unknown key data.world.colour; known keys: data.world.absent_words"),
    ],
)
def test_a_source_that_cannot_be_trained_on_is_refused(
    records: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: list[str], message: str
) -> None:
    (tmp_path / "run.yaml").write_text(CONFIG + f"output_dir: {tmp_path / 'run'}\n")
    capsys.readouterr()
    words = [word.replace("RECORDS", str(records)) for word in changes]
    assert run(["train", str(tmp_path / "run.yaml"), *words]) == 2
    shown = capsys.readouterr().err
    *before, last = shown.splitlines()  # the plan may stand before the error
    assert last.startswith("instructsam: error: ")
    assert message in last
    assert not any(line.startswith("instructsam:") for line in before)


def test_a_mixture_of_the_world_and_records_is_trained_on(records: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(CONFIG + f"output_dir: {tmp_path / 'run'}\n")
    source = f"data.source={{world: 1, {records}: 2}}"
    assert run(["train", str(tmp_path / "run.yaml"), source, "data.world.short_sides=[64]"]) == 0
