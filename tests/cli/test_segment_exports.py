"""`instructsam segment --format`: exports of all answers in --out, and messages before the model is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images of one stem, one of them in a subfolder."""
    for name in ("in/a.png", "in/sub/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 6), (90, 90, 90)).save(tmp_path / name)
    return tmp_path / "in"


def test_formats_are_written_beside_the_answers(command: Command, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["segment", folder, "-r", "-i", "the cats", "-i", "nothing", "--out", out]
    code, stdout, err = command(*arguments, "--format", "coco, yolo,coco", "--json")
    assert code == 0
    assert json.loads(stdout)["complete"]
    assert f"coco: {out / 'coco.json'}\nyolo: {out / 'yolo'}\n" in err
    coco = json.loads((out / "coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "sub/a.png"]
    assert [category["name"] for category in coco["categories"]] == ["the cats", "nothing"]
    assert len(coco["annotations"]) == 2
    assert (out / "yolo" / "labels" / "sub" / "a.txt").read_text().startswith("0 ")
    assert (out / "predictions.json").is_file()


def test_a_repeated_command_replaces_its_exports(
    command: Command, folder: Path, segmenter: FakeSegmenter
) -> None:
    out = folder / "out"  # inside the folder of the images
    arguments = ["segment", folder, "-r", "-i", "the cats", "--out", out, "--format"]
    assert command(*arguments, "labelme")[0] == 0
    segmenter.requests.clear()
    code, _, err = command(*arguments, "labelme,coco", "--option", "tolerance=0.25")
    assert (code, segmenter.requests) == (0, [{"load": None, "device": "auto"}]), err
    assert "4 overlays or exports of an earlier run are skipped" in err
    assert len(json.loads((out / "coco.json").read_text())["images"]) == 2


def test_categories_can_be_the_instructions(command: Command, folder: Path, tmp_path: Path) -> None:
    arguments = ["segment", folder / "a.png", "all pets", "--phrase", "cat", "--out", tmp_path / "out"]
    for labels, expected in (("phrases", "cat"), ("instructions", "all pets")):
        assert command(*arguments, "--format", "coco", "--labels", labels)[0] == 0
        coco = json.loads((tmp_path / "out" / "coco.json").read_text())
        assert [category["name"] for category in coco["categories"]] == [expected]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "coco"], "--format writes files into --out: name the folder"),
        (["--option", "tolerance=1"], "--option sets an option of the formats of --format"),
        (["--out", "OUT", "--format", "csv"], "the format must be one of coco, yolo"),
        (["--out", "OUT", "--format", "supervision"], "the format supervision exists in memory only"),
        (
            ["--out", "OUT", "--format", "coco", "--option", "speed=1"],
            "the formats coco have no option 'speed'",
        ),
        (
            ["--out", "OUT", "--format", "yolo", "--option", "tolerance=-1"],
            "tolerance of the format yolo must",
        ),
    ],
)
def test_unfit_requests_load_no_model(
    command: Command,
    folder: Path,
    tmp_path: Path,
    segmenter: FakeSegmenter,
    arguments: list[str],
    message: str,
) -> None:
    given = [tmp_path / "out" if word == "OUT" else word for word in arguments]
    code, out, err = command("segment", folder / "a.png", "x", *given)
    assert (code, out) == (2, "")
    assert message in err
    assert segmenter.requests == []


def test_other_files_in_the_folder_are_kept(command: Command, folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "coco.json"
    mine.parent.mkdir()
    mine.write_text("{}")
    code, _, err = command("segment", folder / "a.png", "x", "--out", mine.parent, "--format", "coco")
    assert code == 2
    assert "has no answers of an earlier run: choose another --out, or add --overwrite" in err
    assert mine.read_text() == "{}"
