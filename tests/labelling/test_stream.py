"""`instructsam.label`: a stream over any iterable, in order, with bounded memory, and workers that end with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import instructsam
from instructsam.errors import InputError
from instructsam.exports.labelled_image import LabelledImage
from instructsam.inference.run_requests import Failure
from instructsam.labelling import stream
from tests.labelling import fakes


@pytest.fixture
def model() -> Any:
    return fakes.FakeModel()


def test_a_folder_in_order_with_class_names(tmp_path: Path, model: Any) -> None:
    paths = fakes.make_images(tmp_path, 5)
    paths[2].write_bytes(b"broken")
    found = list(instructsam.label(tmp_path, {"half": "left", "none": "nothing"}, model, batch_size=4))
    assert [type(item) for item in found] == [LabelledImage] * 2 + [Failure] + [LabelledImage] * 2
    assert isinstance(found[2], Failure)
    assert found[2].image == paths[2]
    first = found[0]
    assert isinstance(first, LabelledImage)
    assert (first.name, first.path, first.labels) == ("00000.png", paths[0], ("half",))
    assert first.classes == ("half", "none")
    assert first.instances.masks[0, :, :12].all()
    assert not first.instances.masks[0, :, 12:].any()
    assert first.image is not None
    assert len(first.predictions) == 2


def test_mixed_sources_and_suppression(tmp_path: Path, model: Any) -> None:
    path = fakes.make_images(tmp_path, 1)[0]
    pixels = np.zeros((8, 12, 3), np.uint8)
    sources = [path, str(path), Image.fromarray(pixels), pixels]
    found = list(instructsam.label(sources, ["left", "most"], model, nms=0.6))
    names = [item.name for item in found if isinstance(item, LabelledImage)]
    assert names == ["00000.png", "00000-2.png", "image_000003.png", "image_000004.png"]
    assert [item.labels for item in found if isinstance(item, LabelledImage)] == [("most",)] * 4


def test_an_endless_iterable_is_read_as_needed(model: Any) -> None:
    taken = 0

    def frames() -> Iterator[Image.Image]:
        nonlocal taken
        while True:
            taken += 1
            yield Image.new("RGB", (20, 10))

    results = instructsam.label(frames(), "left", model, batch_size=4)
    for _ in range(8):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert taken <= 16


def test_devices_are_processes_that_end_with_the_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opener = partial(fakes.open_model, 0.01)
    monkeypatch.setattr(stream, "_openers", lambda *_: [opener, opener])
    paths = fakes.make_images(tmp_path, 9)
    single = [
        item.instances.scores for item in instructsam.label(paths, "left", fakes.FakeModel(), batch_size=2)
    ]
    found = instructsam.label(paths, "left", devices=["cpu", "cpu"], batch_size=2)
    for path, scores, item in zip(paths, single, found, strict=True):
        assert isinstance(item, LabelledImage)
        assert (item.path, item.image) == (path, None)
        assert np.array_equal(item.instances.scores, scores)
        assert item.pixels().size == (24, 16)
    again = instructsam.label(paths, "left", devices=["cpu", "cpu"], batch_size=2)
    next(again)
    workers = [p for p in _children() if p]
    assert workers
    again.close()  # type: ignore[attr-defined]
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def _children() -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()
            spawned = b"spawn_main" in (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if int(status[1]) == os.getpid() and spawned:
            found.append(int(entry.name))
    return found


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3, "left"), {}, "images must be a folder or an iterable"),
        (([], []), {}, "nothing to label"),
        (([], [" "]), {}, "instruction 1 is empty"),
        (([], 5), {}, "instructions must be text"),
        (([], "left"), {"devices": "cpu,cpu"}, "devices must be a list"),
        (([], "left"), {"nms": 2}, "nms must be a number from 0 to 1"),
        (([], "left"), {"batch_size": 0}, "batch_size"),
        (([], "left", 7), {}, "model must be a name"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(arguments: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        instructsam.label(*arguments, **options)


def test_a_bad_item_and_a_bad_instruction(model: Any) -> None:
    with pytest.raises(InputError, match=r"images\[1\] must be a path"):
        list(instructsam.label([Image.new("RGB", (4, 4)), 7], "left", model))  # type: ignore[list-item]
    with pytest.raises(InputError, match="too long"):
        list(instructsam.label([Image.new("RGB", (4, 4))], "too long", model))
