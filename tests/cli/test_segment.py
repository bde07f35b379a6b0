"""`instructsam segment`: what it asks, what it prints and writes, and how it fails."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.structures.predictions import Prediction

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


def one_line(outcome: Outcome) -> str:
    code, out, err = outcome
    assert code == 2
    assert out == ""
    assert err.startswith("instructsam: error: ")
    assert err.count("\n") == 1
    return err


def test_table_of_instances(command: Command, photo: Path, segmenter: FakeSegmenter) -> None:
    code, out, _ = command("segment", photo, "the dark half")
    assert code == 0
    assert "looked for: the dark half (mode: direct)" in out
    for cell in ("the dark half", "0.88", "0 0 20 24", "480"):
        assert cell in out
    assert segmenter.requests[0] == {"load": None, "device": "auto"}
    limits = {"score_threshold": None, "max_new_tokens": 128, "max_phrases": 16}
    assert segmenter.requests[1] == {"instructions": ["the dark half"], "phrases": None, **limits}


def test_no_target_is_a_success(command: Command, photo: Path) -> None:
    code, out, _ = command("segment", photo, "nothing")
    assert code == 0
    assert "no target; looked for: nothing (mode: direct)" in out


def test_options_reach_the_segmenter(command: Command, photo: Path, segmenter: FakeSegmenter) -> None:
    arguments = ["--model", "m", "--device", "cpu", "--score-threshold", "0.3", "--mode", "direct"]
    arguments += ["--dtype", "bfloat16", "--quantize", "int8", "--max-new-tokens", "9", "--max-phrases", "2"]
    assert command("segment", photo, "x", *arguments)[0] == 0
    assert segmenter.requests[0] == {"load": "m", "device": "cpu", "dtype": "bfloat16", "quantize": "int8"}
    assert (segmenter.requests[1]["max_new_tokens"], segmenter.requests[1]["max_phrases"]) == (9, 2)
    assert segmenter.requests[1]["score_threshold"] == 0.3
    assert segmenter.requests[1]["mode"] == "direct"


def test_json_is_all_that_stdout_gets(command: Command, photo: Path, segmenter: FakeSegmenter) -> None:
    segmenter.noisy = True
    code, out, err = command("segment", photo, "-i", "left", "-i", "nothing", "--json")
    assert code == 0
    document = json.loads(out)
    assert [entry["status"] for entry in document["results"]] == ["ok", "no_target"]
    first = document["results"][0]
    assert first["image"] == str(photo)
    assert first["instances"][0]["area"] == 480
    assert first["instances"][0]["segmentation"]["size"] == [24, 40]
    assert document["failed"] == []
    assert "noise" in err


def test_phrases_are_asked_together(command: Command, photo: Path, segmenter: FakeSegmenter) -> None:
    code, out, _ = command("segment", photo, "--phrase", "mug", "--phrase", "plate")
    assert code == 0
    assert segmenter.requests[1]["phrases"] == ["mug", "plate"]
    assert "mug, plate" in out


def test_notes_go_to_stderr_and_into_the_json(command: Command, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    _, out, err = command("segment", tmp_path / "moving.gif", "left", "--json")
    assert "first" in err
    assert "first" in json.loads(out)["results"][0]["notes"][0]


def test_out_holds_overlays_and_json(command: Command, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "results"
    code, out, _ = command("segment", photo, "-i", "a", "-i", "b", "--out", folder)
    assert code == 0
    visible = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    assert visible == ["photo.1.png", "photo.2.png", "predictions.json", "predictions.jsonl"]
    with Image.open(folder / "photo.1.png") as overlay:
        assert overlay.width >= 40
    assert str(folder / "photo.2.png") in out
    entries = json.loads((folder / "predictions.json").read_text())["results"]
    assert [entry["overlay"] for entry in entries] == [
        str(folder / "photo.1.png"),
        str(folder / "photo.2.png"),
    ]


def test_a_folder_goes_on_past_a_bad_file(command: Command, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nonsense")
    Image.new("RGB", (13, 5)).save(tmp_path / "unlucky.png")
    code, out, err = command("segment", tmp_path, "left")
    assert code == 1
    assert "photo.png" in out
    assert "2 of 3 images" in err
    assert "broken.jpg" in err
    assert "unlucky" in err
    code, out, _ = command("segment", tmp_path, "left", "--json")
    document = json.loads(out)
    assert code == 1
    assert len(document["results"]) == 1
    assert [Path(entry["image"]).name for entry in document["failed"]] == ["broken.jpg", "unlucky.png"]


def test_several_images_go_on_and_load_the_model_once(
    command: Command, photo: Path, tmp_path: Path, segmenter: FakeSegmenter
) -> None:
    other = tmp_path / "other.png"
    Image.new("L", (1, 400)).save(other)
    code, out, err = command("segment", photo, tmp_path / "absent.png", other, "left")
    assert code == 1
    assert out.count("left") >= 2
    assert "absent.png: there is no such file" in err
    assert sum("load" in call for call in segmenter.requests) == 1


def test_only_bad_images_load_no_model(command: Command, tmp_path: Path, segmenter: FakeSegmenter) -> None:
    assert command("segment", tmp_path / "a.png", tmp_path / "b.png", "left")[0] == 1
    assert segmenter.requests == []


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_lone_bad_image_is_one_line(
    command: Command, tmp_path: Path, segmenter: FakeSegmenter, content: bytes | None
) -> None:
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    assert "bad.png" in one_line(command("segment", path, "left"))
    assert segmenter.requests == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "image is missing"),
        (["the red mugs"], "image is missing"),
        (["-i", "the red mugs"], "image is missing"),
        (["PHOTO"], "instruction is missing"),
        (["PHOTO", "PHOTO"], "instruction is missing"),
        (["PHOTO", "typo.jpg"], "instruction is missing"),
        (["PHOTO", ""], "instruction is empty"),
        (["PHOTO", "   "], "instruction is empty"),
        (["PHOTO", "-i", ""], "instruction is empty"),
        (["PHOTO", "--phrase", " "], "phrase is empty"),
        (["PHOTO", "-i", "a", "-i", "b", "--phrase", "c"], "at most one instruction"),
        (["PHOTO", "x", "--overwrite"], "name the folder"),
        (["PHOTO", "x", "--score-threshold", "nan"], "[0, 1]"),
        (["PHOTO", "x", "--score-threshold", "1.5"], "[0, 1]"),
        (["PHOTO", "x", "--score-threshold", "high"], "--score-threshold"),
        (["PHOTO", "x", "--device", "gpu"], "--device"),
        (["PHOTO", "x", "--mode", "fast"], "--mode"),
        (["PHOTO", "x", "--dtype", "int8"], "--dtype must be one of auto, float32, bfloat16, float16"),
        (["PHOTO", "x", "--quantize", "int2"], "--quantize must be one of int8, int4"),
        (["PHOTO", "x", "--max-phrases", "0"], "--max-phrases"),
        (["PHOTO", "x", "--nonsense"], "--nonsense"),
    ],
)
def test_wrong_arguments_are_one_line(
    command: Command, photo: Path, segmenter: FakeSegmenter, arguments: list[str], words: str
) -> None:
    filled = [str(photo) if argument == "PHOTO" else argument for argument in arguments]
    assert words in one_line(command("segment", *filled))
    assert segmenter.requests == []


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["PHOTO", "red", "mugs"], "an instruction of several words needs quotes"),
        (["PHOTO", "red mugs", "-i", "the plates"], "--instruction gives the instruction"),
        (["PHOTO", "red mugs", "--instructions", "LIST"], "--instructions gives the instruction"),
        (["red mugs", "PHOTO"], "the images come first, the instruction last"),
    ],
)
def test_words_of_an_instruction_among_the_images_are_refused_before_anything_is_answered(
    command: Command, photo: Path, segmenter: FakeSegmenter, words: list[str], fix: str
) -> None:
    (photo.parent / "list.txt").write_text("the plates\n")
    paths = {"PHOTO": str(photo), "LIST": str(photo.parent / "list.txt")}
    line = one_line(command("segment", *(paths.get(word, word) for word in words)))
    assert "there is no such file or folder" in line
    assert fix in line
    assert segmenter.requests == []


def test_a_long_instruction_is_what_the_segmenter_says(command: Command, photo: Path) -> None:
    assert "at most 2000 characters" in one_line(command("segment", photo, "x" * 10_000))


def test_special_tokens_and_control_characters_stay_text(
    command: Command, photo: Path, segmenter: FakeSegmenter
) -> None:
    text = "<|im_end|> [bold]mugs[/bold] \x1b[31m"
    code, out, _ = command("segment", photo, text)
    assert code == 0
    assert segmenter.requests[1]["instructions"] == [text]
    assert "[bold]mugs[/bold]" in out
    assert "\x1b" not in out


def test_unwritable_out_is_said_before_the_model_is_loaded(
    command: Command, photo: Path, tmp_path: Path, segmenter: FakeSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--out" in one_line(command("segment", photo, "x", "--out", photo))
    assert "--out" in one_line(command("segment", photo, "x", "--out", photo / "inside"))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert "Permission denied" in one_line(command("segment", photo, "x", "--out", tmp_path))
    assert segmenter.requests == []


def test_an_empty_folder_is_one_line(command: Command, tmp_path: Path) -> None:
    assert "no image" in one_line(command("segment", tmp_path, "left"))


def test_a_note_is_one_line_and_the_same_note_of_other_images_is_counted(
    command: Command, photo: Path, segmenter: FakeSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = segmenter.segment
    for name in ("b.png", "c.png"):
        shutil.copy(photo, photo.with_name(name))

    def noted(image: Image.Image, instructions: list[str], **options: Any) -> list[Prediction]:
        found = answer(image, instructions, **options)
        assert isinstance(found, list)
        return [replace(one, notes=("a photograph", f"unknown: {one.instruction}")) for one in found]

    monkeypatch.setattr(segmenter, "segment", noted)
    _, text, err = command("segment", photo, photo.parent, "-i", "x", "-i", "y", "--json")
    assert [line for line in err.splitlines() if line.startswith("note:")] == [
        f"note: {photo}: a photograph; unknown: x",
        f"note: {photo}: unknown: y",
        "note: 2 more images: a photograph",
        "note: 2 more images: unknown: x",
        "note: 2 more images: unknown: y",
    ]
    assert all(len(result["notes"]) == 2 for result in json.loads(text)["results"])
