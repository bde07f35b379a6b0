"""Runs over many images: what is stored when, names of overlays, and a process that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import ImageError, InputError
from instructsam.inference.answer_log import AnswerLog
from instructsam.inference.folder_run import INSTRUCTIONS_PER_CALL, FolderRun
from instructsam.inference.overlay_names import OverlayNames
from instructsam.inference.run_requests import Answer, Failure, ImageRequest, RunSettings
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction


class Model:
    """Finds nothing; refuses "bad"."""

    fingerprint = "f"
    num_parameters = 1
    default_mode = "direct"
    score_threshold = 0.5

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def segment(self, image: Image.Image, texts: list[str], **_: Any) -> list[Prediction]:
        self.calls.append(texts)
        if "bad" in texts:
            raise InputError("the instruction is bad")
        size = (image.height, image.width)
        empty = Instances.empty(*size)
        return [
            Prediction(empty, (text,), "", "no_target", text, size, image, mode="direct") for text in texts
        ]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((5, 7, 3), np.uint8)).save(path)
    return path


def test_answers_are_stored_before_they_are_handed_over(image: Path, tmp_path: Path) -> None:
    request = ImageRequest(image, image.name, ("a", "b", "a"))
    with AnswerLog(tmp_path) as log:
        answers = FolderRun(Model, RunSettings(instructions=("a", "b")), log).answers([request])
        first = next(answers)
        assert isinstance(first, Answer)
        assert len(log) == 2
        rest = list(answers)
    assert [one.prediction.instruction for one in rest if isinstance(one, Answer)] == ["b", "a"]
    assert log.path.read_text().count("\n") == 3


def test_many_instructions_about_one_image_are_stored_in_parts(image: Path, tmp_path: Path) -> None:
    texts = tuple(f"thing {number}" for number in range(INSTRUCTIONS_PER_CALL + 5))
    model = Model()
    with AnswerLog(tmp_path) as log:
        run = FolderRun(lambda: model, RunSettings(instructions=texts), log)
        answers = run.answers([ImageRequest(image, image.name, texts)])
        next(answers)
        assert len(log) == INSTRUCTIONS_PER_CALL
        assert len(list(answers)) == len(texts) - 1
    assert [len(call) for call in model.calls] == [INSTRUCTIONS_PER_CALL, 5]


def test_a_bad_instruction_of_one_row_and_of_every_image(image: Path) -> None:
    request = ImageRequest(image, image.name, ("a", "bad", "b"), ("f, line 2", "f, line 3", "f, line 4"))
    found = list(FolderRun(Model, RunSettings(instructions_file="f")).answers([request]))
    assert [type(one) for one in found] == [Answer, Failure, Answer]
    assert found[1] == Failure(image, "f, line 3: the instruction is bad")
    with pytest.raises(InputError, match="is bad"):
        list(FolderRun(Model, RunSettings(instructions=("a", "bad"))).answers([request]))


@pytest.mark.parametrize("kind", ["folder", "pipe", "absent", "empty"])
def test_what_is_no_file_is_a_failure(tmp_path: Path, image: Path, kind: str) -> None:
    odd = tmp_path / "odd.png"
    if kind == "folder":
        odd.mkdir()
    elif kind == "pipe":
        os.mkfifo(odd)
    elif kind == "empty":
        odd.touch()
    requests = [ImageRequest(path, path.name, ("a",)) for path in (odd, image)]
    for log in (None, AnswerLog(tmp_path)):
        if log is not None:
            log.__enter__()
        found = list(FolderRun(Model, RunSettings(instructions=("a",)), log).answers(requests))
        assert [type(one) for one in found] == [Failure, Answer]
    assert log is not None
    log.__exit__(None, None, None)


def test_a_model_that_fails_on_one_image(image: Path) -> None:
    class Unlucky(Model):
        def segment(self, image: Image.Image, texts: list[str], **_: Any) -> list[Prediction]:
            raise ImageError("unlucky")

    found = list(FolderRun(Unlucky, RunSettings()).answers([ImageRequest(image, image.name, ("a",))]))
    assert found == [Failure(image, "unlucky")]


def test_overlay_names_are_never_used_twice_nor_an_input(tmp_path: Path) -> None:
    inputs = [tmp_path / name for name in ("a/cup.png", "b/CUP.jpg", "cup-2.png", "tea.jpg", "tea.1.png")]
    (tmp_path / "tea.1.png").touch()
    with AnswerLog(tmp_path) as log:
        names = OverlayNames(log)
        requests = [ImageRequest(path, str(path), ("x", "y")) for path in inputs]
        found = [names.choose(request, number) for request in requests for number in (1, 2)]
    assert len({name.lower() for name in found}) == len(found)
    assert found[:4] == ["cup.1.png", "cup.2.png", "CUP-2.1.png", "CUP-2.2.png"]
    assert "tea.1.png" not in found


def test_overlay_names_fit_every_file_system(tmp_path: Path) -> None:
    odd = ["n" * 251 + ".png", os.fsdecode(b"\xff\xfe.png"), "a\nb.png", 'q"?*.png', "杯" * 80 + ".png"]
    with AnswerLog(tmp_path) as log:
        names = OverlayNames(log)
        found = [names.choose(ImageRequest(tmp_path / name, f"s\udcff/{name}", ("x",)), 1) for name in odd]
    for name in found:
        folder, _, file = name.partition("/")
        assert folder == "s_"
        assert len(file.encode()) <= 255
        assert file.isprintable()


KILLED = """
import sys, time
sys.path[:0] = sys.argv[3].split(":")
from tests.inference.test_folder_run import Model
from instructsam.cli.main import run
from instructsam.inference import loading

class Slow(Model):
    def segment(self, *given, **options):
        time.sleep(0.02)
        return super().segment(*given, **options)

loading.load = lambda *_, **__: Slow()
sys.exit(run(["segment", sys.argv[1], "a", "--out", sys.argv[2]]))
"""


@pytest.mark.slow  # each process imports the package
def test_a_killed_run_resumes(tmp_path: Path) -> None:
    folder, out, root = tmp_path / "photos", tmp_path / "out", Path(__file__).resolve().parents[2]
    folder.mkdir()
    for number in range(60):
        Image.new("RGB", (8 + number, 6)).save(folder / f"{number:02}.png")
    call = [sys.executable, "-c", KILLED, str(folder), str(out), f"{root}:{root / 'src'}"]
    stored = [0]
    for _ in range(3):
        with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            while process.poll() is None and _lines(out) < stored[-1] + 8:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
        stored.append(_lines(out))
    assert stored == sorted(set(stored)), "each run adds to the one before"
    assert not (out / "predictions.json").exists()
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "answers are stored, the run resumes" in done.stderr
    results = json.loads((out / "predictions.json").read_text())["results"]
    assert sorted(Path(entry["image"]).name for entry in results) == [f"{n:02}.png" for n in range(60)]
    for entry in results:
        with Image.open(entry["overlay"]) as overlay:
            overlay.load()


def _lines(out: Path) -> int:
    log = out / "predictions.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0
