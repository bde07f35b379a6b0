"""The log of `segment`: damage, cut lines, one writer, a full disk."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.inference.answer_lines import recorded_overlays, restore
from instructsam.inference.answer_log import AnswerLog, Key, NewAnswer
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction

HEADER: dict[str, Any] = {"version": "0.1.0", "settings": {"fingerprint": "f"}}


def prediction() -> Prediction:
    masks = np.zeros((2, 5, 7), np.bool_)
    masks[0, 1:3, 2:5] = masks[1, 4, :] = True
    boxes = np.array([[2, 1, 5, 3], [0, 4, 7, 5]], np.float32)
    scores = np.array([0.1, 0.7], np.float32)
    found = Instances(masks, boxes, scores, np.array([1, 0], np.int64))
    return Prediction(
        found, ("a", "b"), "text", "ok", "a or b", (5, 7), notes=("x",), mode="direct", num_queries=4
    )


def add(log: AnswerLog, image: Path) -> Key:
    content = log.content_of(image, image.name)
    key = Key(image.name, content.hash, "a or b")
    log.append(key, content, image, f"{image.stem}.png", prediction())
    return key


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGB", (7, 5)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path, image: Path) -> Path:
    """With a log of two answers."""
    path = tmp_path / "out"
    path.mkdir()
    other = tmp_path / "other.png"
    Image.new("RGB", (7, 6)).save(other)
    with AnswerLog(path) as log:
        log.begin(HEADER)
        add(log, image)
        add(log, other)
    return path


def test_what_is_stored_is_what_was_answered(folder: Path, image: Path) -> None:
    with AnswerLog(folder) as log:
        assert len(log) == 2
        key = Key(image.name, log.content_of(image, image.name).hash, "a or b")
        assert key in log
        stored, wanted = log.prediction(key), prediction()
    assert json.dumps(stored.to_dict()) == json.dumps(wanted.to_dict())
    assert (stored.instances.masks == wanted.instances.masks).all()


def test_a_cut_last_line_is_dropped(folder: Path) -> None:
    path = folder / "predictions.jsonl"
    whole = path.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 40, whole.index(b"\n") + 1, whole.index(b"\n"), 3, 0):
        path.write_bytes(whole[:cut])
        with AnswerLog(folder) as log:
            log.begin(HEADER)
            assert len(log) == max(0, whole[:cut].count(b"\n") - 1)
        assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"name": 1}',
        "\x00" * 20,
        "[" * 5000,
        '{"content": {"hash": 1, "x": 2}, "request": null}',
    ],
)
def test_a_damaged_line_is_named(folder: Path, line: str) -> None:
    path = folder / "predictions.jsonl"
    path.write_text(path.read_text() + line + "\n" + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(InputError, match="line 4"), AnswerLog(folder):
        pass
    assert recorded_overlays(folder) == {"photo.png", "other.png"}


@pytest.mark.parametrize("overlay", ["../photo.png", "/photo.png", "photo.txt", "a/../../photo.png", 3])
def test_an_overlay_outside_the_folder_is_refused(folder: Path, image: Path, overlay: object) -> None:
    path = folder / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["overlay"] = overlay
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match="overlay"), AnswerLog(folder):
        pass
    with AnswerLog(folder, overwrite=True) as log:
        log.begin(HEADER)
    assert image.exists()


def test_one_writer(folder: Path) -> None:
    with AnswerLog(folder), pytest.raises(InputError, match="already writing"), AnswerLog(folder):
        pass
    with AnswerLog(folder):
        pass


def test_overwriting_waits_until_the_model_is_open(folder: Path) -> None:
    before = (folder / "predictions.jsonl").read_bytes()
    (folder / "photo.png").write_bytes(b"overlay")
    with AnswerLog(folder, overwrite=True) as log:
        log.require({"fingerprint": "other"}, "9.9.9")
    assert (folder / "predictions.jsonl").read_bytes() == before
    with AnswerLog(folder, overwrite=True) as log:
        log.begin(HEADER)
        assert len(log) == 0
    assert not (folder / "photo.png").exists()
    assert (folder / "predictions.jsonl").read_text().count("\n") == 1


def test_another_series_of_versions_is_refused(folder: Path) -> None:
    with AnswerLog(folder) as log:
        log.require(HEADER["settings"], "0.1.7")
        with pytest.raises(InputError, match=r'version "0\.1", not "0\.2"'):
            log.require(HEADER["settings"], "0.2.0")


class FullDisk(io.BytesIO):
    """Takes half of what it is given, once."""

    def write(self, data: Any) -> int:
        if self.tell():
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data)[:30])


def test_half_a_line_on_a_full_disk_is_taken_back(
    folder: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AnswerLog(folder) as log:
        stream = FullDisk()
        monkeypatch.setattr(log, "_stream", stream)
        before = log._end
        Image.new("RGB", (7, 5), "red").save(image)
        stream.truncate(before)
        with pytest.raises(InputError, match="2 earlier answers stay valid") as caught:
            add(log, image)
        assert "No space left" in str(caught.value)
        assert len(stream.getvalue()) <= before
        assert len(log) == 2


@pytest.mark.parametrize(
    "field", ["instances", "phrases", "original_size", "status", "notes", "mode", "text"]
)
def test_a_stored_answer_with_a_bad_field_is_refused(field: str) -> None:
    fields = prediction().to_dict()
    del fields[field]
    with pytest.raises(InputError, match="line 7 is damaged"):
        restore(fields, "predictions.jsonl, line 7")
    with pytest.raises(InputError, match="damaged"):
        restore({**prediction().to_dict(), "original_size": [3, 3]}, "x")


def test_answers_that_are_written_together_are_all_kept_or_none(tmp_path: Path, image: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = ("a", "b", "c")
    with AnswerLog(out) as log:
        log.begin(HEADER)
        content = log.content_of(image, image.name)
        keys = [Key(image.name, content.hash, text) for text in words]
        fields = prediction().to_dict()
        log.append_all([NewAnswer(keys[0], content, image, None, fields)])
        first = log.path.stat().st_size
        log.append_all([NewAnswer(key, content, image, None, fields) for key in keys[1:]])
        assert [log.fields(key) for key in keys] == [fields] * 3
    whole = log.path.read_bytes()
    for end in (len(whole) - 3, whole.rindex(b"\n", 0, -1) + 1, first + 5):
        log.path.write_bytes(whole[:end])
        with AnswerLog(out) as again:
            assert [key in again for key in keys] == [True, False, False]
            assert again.notes
        assert again.path.stat().st_size == first
    log.path.write_bytes(whole)
    with AnswerLog(out) as again:
        assert [again.fields(key) for key in keys] == [fields] * 3
        assert not again.notes
