"""`instructsam label`: classes, exports without the model, resuming, skipped images, refusals, the review page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.cli.main import run
from instructsam.exports import registry
from instructsam.exports.registry import Exporter, Format
from tests.labelling import fakes

Outcome = tuple[int, str, str]
Command = Callable[..., Outcome]


class LineFormat(Format):
    """The scripted format."""

    def load(self) -> Exporter:
        return Exporter(fakes.Options, fakes.open_writer, None, None)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of the model's calls; its absence: the model was never opened."""
    path = tmp_path / "calls"

    def load(*_: Any, **__: Any) -> fakes.FakeModel:
        path.touch()
        model = fakes.FakeModel(calls=path)
        model.num_parameters = 1  # type: ignore[attr-defined]
        return model

    monkeypatch.setattr("instructsam.inference.loading.load", load)
    monkeypatch.setitem(registry.FORMATS, "lines", LineFormat("lines", "", "lines", "file", "lines.txt"))
    return path


@pytest.fixture
def label(capsys: pytest.CaptureFixture[str], calls: Path) -> Command:
    """Runs `instructsam label`: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> Outcome:
        code = run(["label", *map(str, arguments), "--format", "lines"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five images."""
    fakes.make_images(tmp_path / "photos", 5)
    return tmp_path / "photos"


def called(path: Path) -> list[tuple[int, tuple[str, ...]]]:
    """Jobs and instructions of each call."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return [(jobs, tuple(texts)) for _, jobs, texts in entries]


def refusal(outcome: Outcome) -> str:
    code, out, err = outcome
    assert (code, out, err.count("\n")) == (2, "", 1), outcome
    return err


def test_labels_are_class_names_and_images_share_calls(
    label: Command, photos: Path, tmp_path: Path, calls: Path
) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("half: left side\n\nnothing\n")
    out = tmp_path / "out"
    code, text, err = label(photos, "--classes", classes, "--out", out, "--batch-size", 6)
    assert code == 0
    assert "empty lines are skipped: 2" in err
    assert called(calls) == [(3, ("left side", "nothing")), (2, ("left side", "nothing"))]
    lines = (out / "lines.txt").read_text().splitlines()
    assert [line.split()[:3] for line in lines[:-1]] == [[f"{n:05d}.png", "label", "half"] for n in range(5)]
    summary = json.loads((out / "summary.json").read_text())
    assert summary["images"] == 5
    assert summary["images_without_target"] == 0
    assert [entry["no_target"] for entry in summary["classes"]] == [0, 5]
    assert summary["run"]["settings"]["fingerprint"] == "0123456789ab"
    assert re.search(r"half +│ +5 │ +5 │ +0", text)
    assert f"review: {out / 'review.html'}" in text


def test_other_export_options_need_no_model(
    label: Command, photos: Path, tmp_path: Path, calls: Path
) -> None:
    out, words = tmp_path / "out", ("-i", "left", "-i", "most")
    assert label(photos, *words, "--out", out)[0] == 0
    calls.unlink()
    code, text, err = label(photos, *words, "--out", out, "--nms", 0.6, "--option", "word=mask", "--json")
    assert code == 0
    assert not calls.exists()
    assert "10 answers are stored" in err
    summary = json.loads(text)
    assert (summary["suppressed"], summary["instances"]) == (5, 5)
    assert "00000.png mask most" in (out / "lines.txt").read_text()
    code, text, _ = label(photos, *words, "--out", out, "--nms", 0.6, "--nms-per-class", "--json")
    assert json.loads(text)["suppressed"] == 0
    code, text, _ = label(photos, *words, "--out", out, "--min-score", 0.7, "--json")
    assert json.loads(text)["instances"] == 5
    assert not calls.exists()


def test_a_new_class_and_a_changed_image_are_answered_alone(
    label: Command, photos: Path, tmp_path: Path, calls: Path
) -> None:
    out = tmp_path / "out"
    label(photos, "-i", "left", "--out", out)
    calls.unlink()
    label(photos, "-i", "left", "-i", "most", "--out", out)
    assert called(calls) == [(5, ("most",))]
    calls.unlink()
    Image.new("RGB", (30, 20), "red").save(photos / "00003.png")
    label(photos, "-i", "left", "-i", "most", "--out", out)
    assert called(calls) == [(1, ("left", "most"))]


def test_bad_images_are_skipped_and_reported(
    label: Command, photos: Path, tmp_path: Path, calls: Path
) -> None:
    (photos / "empty.png").touch()
    (photos / "text.jpg").write_text("no image")
    whole = (photos / "00001.png").read_bytes()
    (photos / "cut.png").write_bytes(whole[:60])
    (photos / "twice.png").symlink_to(photos / "00002.png")
    (photos / "gone.png").symlink_to(photos / "absent.png")
    Image.new("RGB", (13, 9)).save(photos / "unlucky.png")
    out = tmp_path / "out"
    for _ in range(2):
        code, text, err = label(photos, "-i", "left", "--out", out, "--json")
        assert code == 1
        assert "5 of 10 images could not be used" in err
        entries = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
        names = sorted((Path(entry["image"]).name, entry["kind"]) for entry in entries)
        assert names == [
            ("cut.png", "failed"),
            ("empty.png", "failed"),
            ("gone.png", "failed"),
            ("text.jpg", "failed"),
            ("twice.png", "duplicate"),
            ("unlucky.png", "failed"),
        ]
        assert json.loads(text)["images"] == 5
    code, _, err = label(photos, "-i", "left", "--out", tmp_path / "other", "--on-error", "stop")
    assert code == 2
    assert "--on-error stop" in err


def test_refusals(label: Command, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "--out" in refusal(label(photos, "-i", "left"))
    assert "nothing to label" in refusal(label(photos, "--out", out))
    assert "'left' appears twice" in refusal(label(photos, "-i", "left", "-i", "left", "--out", out))
    assert "--nms must lie in [0, 1]" in refusal(label(photos, "-i", "left", "--out", out, "--nms", 3))
    assert "no option 'size'" in refusal(label(photos, "-i", "left", "--out", out, "--option", "size=3"))
    assert "--devices" in refusal(label(photos, "-i", "left", "--out", out, "--devices", "cpu,auto"))
    out.mkdir(exist_ok=True)
    (out / "lines.txt").write_text("mine")
    assert "lines.txt exists" in refusal(label(photos, "-i", "left", "--out", out))
    assert (out / "lines.txt").read_text() == "mine"
    assert label(photos, "-i", "left", "--out", out, "--overwrite")[0] == 0


def test_a_lower_score_than_stored_is_refused(label: Command, photos: Path, tmp_path: Path) -> None:
    code, _, err = label(photos, "-i", "left", "--out", tmp_path / "out", "--min-score", 0.1)
    assert code == 2
    assert "--score-threshold 0.1" in err


def test_results_in_the_input_folder_are_no_input(label: Command, photos: Path) -> None:
    for _ in range(2):
        code, text, _ = label(photos, "-i", "left", "--out", photos, "--recursive", "--json")
        assert (code, json.loads(text)["images"]) == (0, 5)


def test_the_log_of_segment_is_refused(label: Command, photos: Path, tmp_path: Path, calls: Path) -> None:
    label(photos, "-i", "left", "--out", tmp_path / "out")
    assert run(["segment", str(photos), "left", "--out", str(tmp_path / "out")]) == 2


def test_an_instruction_that_cannot_be_used_stops_the_run(
    label: Command, photos: Path, tmp_path: Path
) -> None:
    code, _, err = label(photos, "-i", "too long", "--out", tmp_path / "out")
    assert code == 2
    assert "the instruction is too long" in err
