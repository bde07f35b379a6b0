"""`instructsam segment` over folders: resuming, refusing, recursion, files of instructions, overlays, full disks."""

from __future__ import annotations

import errno
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.cli.main import run
from instructsam.errors import InputError
from instructsam.structures.predictions import Prediction

from .conftest import FakeSegmenter, Outcome

Command = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures, and one in a subfolder."""
    path = tmp_path / "photos"
    (path / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "c.png", "sub/d.png"), start=1):
        Image.new("RGB", (20 + number, 10), "navy").save(path / name)
    return path


def requests_of(segmenter: FakeSegmenter) -> list[Any]:
    return [call["instructions"] for call in segmenter.requests if "load" not in call]


def document(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "predictions.json").read_text())
    return found


def one_line(outcome: Outcome) -> str:
    code, out, err = outcome
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


def test_an_interrupted_run_resumes(
    command: Command, folder: Path, tmp_path: Path, segmenter: FakeSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, answer = tmp_path / "out", segmenter.segment

    def interrupted(image: Image.Image, *rest: Any, **options: Any) -> Any:
        if image.width == 23:
            raise KeyboardInterrupt
        return answer(image, *rest, **options)

    monkeypatch.setattr(segmenter, "segment", interrupted)
    code, _, err = command("segment", folder, "left", "--out", out)
    assert code == 130
    assert f"{out / 'predictions.jsonl'}: 2 answers are stored; repeat the command to resume" in err
    assert not (out / "predictions.json").exists()
    monkeypatch.setattr(segmenter, "segment", answer)
    segmenter.requests.clear()
    counted: list[int] = []
    monkeypatch.setattr("instructsam.cli.progress.Steps.__call__", lambda _, done: counted.append(done))
    code, text, err = command("segment", folder, "left", "--out", out)
    assert code == 0
    assert "2 answers are stored, the run resumes" in err
    assert len(requests_of(segmenter)) == 1
    assert text.count("overlay: ") == 3  # as of a run that was never interrupted
    assert counted == [3]  # stored answers count for no speed
    names = [Path(entry["image"]).name for entry in document(out)["results"]]
    assert names == ["a.png", "b.png", "c.png"]


def test_results_name_the_run(command: Command, photo: Path, tmp_path: Path) -> None:
    code, text, _ = command("segment", photo, "left", "--out", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(text) == document(tmp_path / "out")
    run = document(tmp_path / "out")["run"]
    expected = {"model": "default", "fingerprint": "0123456789ab", "mode": "generate", "score_threshold": 0.5}
    assert expected.items() <= run.items()
    assert {"version", "command", "dtype", "max_phrases", "instructions"} <= set(run)
    assert "settings" not in run


def test_a_finished_run_is_not_answered_again(
    command: Command, folder: Path, tmp_path: Path, segmenter: FakeSegmenter
) -> None:
    first = command("segment", folder, "-i", "left", "-i", "nothing", "--out", tmp_path / "out", "--json")
    segmenter.requests.clear()
    again = command("segment", folder, "-i", "left", "-i", "nothing", "--out", tmp_path / "out", "--json")
    assert requests_of(segmenter) == []
    assert again[:2] == first[:2]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (["-i", "right"], "instructions"),
        (["-i", "left", "--score-threshold", "0.9"], "score_threshold"),
        (["-i", "left", "--mode", "direct"], "mode"),
        (["-i", "left", "--dtype", "bfloat16"], "dtype"),
        (["-i", "left", "--max-phrases", "3"], "max_phrases"),
        (["--phrase", "left"], "phrases"),
    ],
)
def test_answers_under_other_settings_are_never_mixed_in(
    command: Command, photo: Path, tmp_path: Path, segmenter: FakeSegmenter, changes: list[str], word: str
) -> None:
    out = tmp_path / "out"
    assert command("segment", photo, "-i", "left", "--out", out)[0] == 0
    before = document(out)
    segmenter.requests.clear()
    err = one_line(command("segment", photo, *changes, "--out", out))
    assert word in err
    assert "--overwrite" in err
    assert document(out) == before
    assert segmenter.requests == [] or word == "mode"  # known before the model is loaded
    assert command("segment", photo, *changes, "--out", out, "--overwrite")[0] == 0
    assert len(document(out)["results"]) == 1
    assert sorted(path.name for path in out.glob("*.png")) == ["photo.1.png"]


def test_other_weights_are_refused_after_loading(
    command: Command, photo: Path, tmp_path: Path, segmenter: FakeSegmenter
) -> None:
    assert command("segment", photo, "left", "--out", tmp_path / "out")[0] == 0
    segmenter.fingerprint = "other"  # type: ignore[misc]
    assert "fingerprint" in command("segment", photo, "left", "--out", tmp_path / "out")[2]


def test_an_edited_picture_is_answered_again(
    command: Command, folder: Path, tmp_path: Path, segmenter: FakeSegmenter
) -> None:
    out = tmp_path / "out"
    command("segment", folder, "left", "--out", out)
    old = (out / "b.1.png").read_bytes()
    Image.new("RGB", (60, 10), "red").save(folder / "b.png")
    os.utime(folder / "a.png", ns=(1, 1))  # touched, not edited
    segmenter.requests.clear()
    assert command("segment", folder, "left", "--out", out)[0] == 0
    assert len(requests_of(segmenter)) == 1
    results = document(out)["results"]
    assert len(results) == 3
    assert {tuple(entry["original_size"]) for entry in results} == {(10, 21), (10, 60), (10, 23)}
    assert (out / "b.1.png").read_bytes() != old
    assert len(list(out.glob("*.png"))) == 3


def test_a_moved_folder_is_still_answered(
    command: Command, folder: Path, tmp_path: Path, segmenter: FakeSegmenter
) -> None:
    command("segment", folder, "left", "--out", tmp_path / "out")
    moved = folder.rename(tmp_path / "moved")
    segmenter.requests.clear()
    assert command("segment", moved, "left", "--out", tmp_path / "out")[0] == 0
    assert requests_of(segmenter) == []
    images = [entry["image"] for entry in document(tmp_path / "out")["results"]]
    assert images == [str(moved / name) for name in ("a.png", "b.png", "c.png")]


def test_two_folders_with_equal_names_keep_their_answers(command: Command, tmp_path: Path) -> None:
    for number, name in enumerate(("x", "y")):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20 + number, 10)).save(tmp_path / name / "a.png")
        assert command("segment", tmp_path / name, "left", "--out", tmp_path / "out")[0] == 0
    assert len(document(tmp_path / "out")["results"]) == 2
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a-2.1.png", "a.1.png"]


def test_foreign_files_are_never_overwritten(command: Command, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "photo.1.png").write_bytes(b"mine")
    assert command("segment", photo, "left", "--out", out)[0] == 0
    assert (out / "photo.1.png").read_bytes() == b"mine"
    assert (out / "photo-2.1.png").exists()
    for name, content in (("predictions.json", "{}"), ("predictions.jsonl", '{"format": "other"}\n')):
        other = tmp_path / name
        other.mkdir()
        (other / name).write_text(content)
        one_line(command("segment", photo, "left", "--out", other))
        assert (other / name).read_text() == content
    # A log of `evaluate` is not discarded even by --overwrite.
    one_line(command("segment", photo, "left", "--out", tmp_path / "predictions.jsonl", "--overwrite"))


def test_a_folder_into_itself(command: Command, folder: Path, segmenter: FakeSegmenter) -> None:
    for _ in range(2):
        code, text, err = command("segment", folder, "left", "--recursive", "--out", folder, "--json")
        assert code == 0
        assert len(json.loads(text)["results"]) == 4
    assert "4 overlays or exports of an earlier run are skipped" in err
    named = [folder / name for name in os.listdir(folder) if name.endswith(".png")]
    code, text, _ = command("segment", *named, "left", "--out", folder, "--json")
    assert len(json.loads(text)["results"]) == 3
    assert (folder / "sub" / "d.1.png").exists()


def test_subfolders_are_counted_or_searched(command: Command, folder: Path, tmp_path: Path) -> None:
    code, text, err = command("segment", folder, "left", "--json")
    assert len(json.loads(text)["results"]) == 3
    assert "1 images in subfolders are skipped: add --recursive" in err
    code, text, err = command("segment", folder, "left", "-r", "--out", tmp_path / "out", "--json")
    assert (code, err) == (0, "")
    overlays = [entry["overlay"] for entry in json.loads(text)["results"]]
    assert overlays[-1] == str(tmp_path / "out" / "sub" / "d.1.png")
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).unlink()
    assert "its subfolders 1: add --recursive" in one_line(command("segment", folder, "left"))


def test_no_overlay_and_overlays_later(
    command: Command, folder: Path, tmp_path: Path, segmenter: FakeSegmenter
) -> None:
    out = tmp_path / "out"
    code, text, _ = command("segment", folder, "left", "--out", out, "--no-overlay")
    assert code == 0
    assert list(out.glob("*.png")) == []
    assert "overlay:" not in text
    segmenter.requests.clear()
    command("segment", folder, "left", "--out", out)
    assert requests_of(segmenter) == []
    assert len(list(out.glob("*.png"))) == 3
    (out / "b.1.png").unlink()
    command("segment", folder, "left", "--out", out)
    assert (out / "b.1.png").exists()
    assert requests_of(segmenter) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", '\ufeffimage,instruction\na.png,left\nsub/d.png,"right, or left"\na.png,nothing\n'),
        ("list.csv", 'Instruction;Image\nleft;a.png\n"right, or left";sub/d.png\nnothing;a.png\n'),
        ("list.tsv", "image\tinstruction\na.png\tleft\nsub/d.png\tright, or left\na.png\tnothing\n"),
        (
            "list.jsonl",
            '\ufeff{"image": "a.png", "instruction": "left"}\n\n{"image": "sub/d.png", "instruction": '
            '"right, or left"}\n{"image": "a.png", "instruction": "nothing"}\n',
        ),
    ],
)
def test_instructions_per_image(
    command: Command, folder: Path, segmenter: FakeSegmenter, name: str, content: str
) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    for inputs in ([folder], []):
        segmenter.requests.clear()
        code, text, err = command("segment", *inputs, "--instructions", folder / name, "--json")
        assert code == 0
        assert requests_of(segmenter) == [["left", "nothing"], ["right, or left"]]
        images = [Path(entry["image"]).name for entry in json.loads(text)["results"]]
        assert images == ["a.png", "a.png", "d.png"]
        assert ("2 images of" in err) == bool(inputs)


def test_instructions_for_every_image(command: Command, folder: Path, segmenter: FakeSegmenter) -> None:
    (folder / "list.txt").write_text("\ufeffleft\r\n\r\nthe mugs \u2028 here\r\n", encoding="utf-8")
    assert command("segment", folder, "--instructions", folder / "list.txt")[0] == 0
    assert requests_of(segmenter) == [["left", "the mugs \u2028 here"]] * 3


def test_one_bad_row_does_not_stop_the_rest(command: Command, folder: Path, tmp_path: Path) -> None:
    rows = [{"image": name, "instruction": "left"} for name in ("a.png", "absent.png", "b\0.png", "c.png")]
    rows.append({"image": "c.png", "instruction": "x" * 3000})
    path = folder / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, text, err = command("segment", "--instructions", path, "--out", tmp_path / "out", "--json")
    assert code == 1
    assert len(json.loads(text)["results"]) == 2
    failed = [entry["error"] for entry in json.loads(text)["failed"]]
    assert [error.partition(":")[0] for error in failed] == [f"{path}, line {n}" for n in (2, 3, 5)]
    assert "3 of 4 images could not be used" in err


def test_instruction_and_phrases_are_one_request(
    command: Command, photo: Path, segmenter: FakeSegmenter
) -> None:
    for arguments in (["the mugs", "--phrase", "mug"], ["-i", "the mugs", "--phrase", "mug"]):
        code, text, _ = command("segment", photo, *arguments, "--json")
        assert code == 0
        found = json.loads(text)["results"]
        assert [(one["instruction"], one["phrases"]) for one in found] == [("the mugs", ["mug"])]
        assert segmenter.requests[-1]["instructions"] == "the mugs"


def test_a_full_disk_keeps_what_is_written(
    command: Command, folder: Path, tmp_path: Path, segmenter: FakeSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def full(self: Prediction, path: Path) -> Path:
        if self.instances.size[1] == 22:
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise InputError(f"cannot write {path}: No space left on device") from error
        self.overlay().save(path)
        return path

    with monkeypatch.context() as patch:
        patch.setattr(Prediction, "save", full)
        code, _, err = command("segment", folder, "left", "--out", out)
    assert code == 2
    assert "No space left on device" in err
    assert "2 answers are stored" in err
    segmenter.requests.clear()
    assert command("segment", folder, "left", "--out", out)[0] == 0
    assert len(requests_of(segmenter)) == 1
    assert len(document(out)["results"]) == len(list(out.glob("*.png"))) == 3


def test_one_overlay_that_cannot_be_written_is_one_line(
    command: Command, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("a file in the way")
    code, text, err = command("segment", folder, "left", "-r", "--out", tmp_path / "out", "--json")
    assert code == 1
    assert len(json.loads(text)["results"]) == 4
    assert "1 of 4 images" in err
    assert len(document(tmp_path / "out")["results"]) == 4


def test_a_disk_that_is_full_at_the_end_loses_no_json(
    command: Command, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise InputError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("instructsam.cli.segment_run.write_text", full)
    code, text, err = command("segment", folder, "left", "--json", "--out", tmp_path / "out")
    assert code == 2
    assert len(json.loads(text)["results"]) == 3
    assert "3 answers are stored; repeat the command to resume" in err


@pytest.mark.parametrize("name", ["predictions.json", "predictions.jsonl"])
def test_a_folder_in_the_way_is_said_before_loading(
    command: Command, photo: Path, tmp_path: Path, segmenter: FakeSegmenter, name: str
) -> None:
    (tmp_path / "out" / name).mkdir(parents=True)
    assert name in one_line(command("segment", photo, "left", "--out", tmp_path / "out"))
    assert segmenter.requests == []


def test_json_of_an_interrupted_run_is_a_whole_document(
    command: Command, folder: Path, segmenter: FakeSegmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = segmenter.segment

    def broken(image: Image.Image, *rest: Any, **options: Any) -> Any:
        if image.width == 23:
            raise KeyboardInterrupt
        return answer(image, *rest, **options)

    monkeypatch.setattr(segmenter, "segment", broken)
    code, text, _ = command("segment", folder, "left", "--json")
    assert code == 130
    assert json.loads(text)["complete"] is False
    assert len(json.loads(text)["results"]) == 2


def test_only_bad_images_leave_no_log(command: Command, tmp_path: Path) -> None:
    code, _, _ = command("segment", tmp_path / "x.png", tmp_path / "y.png", "left", "--out", tmp_path / "out")
    assert code == 1
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


@pytest.mark.slow  # with the shipped default
def test_the_first_command_of_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "segment.md").read_text("utf-8")
    words = shlex.split(page.partition("```bash\n")[2].partition("\n")[0])
    assert words.pop(0) == "instructsam"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").symlink_to(root / "src")
    assert run(words) == 0
    found = document(tmp_path / "out")
    assert [entry["status"] for entry in found["results"]] == ["ok"]
    assert (tmp_path / "out" / "breakfast.1.png").exists()
