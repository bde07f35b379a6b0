from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.saving import IMAGE_SUFFIXES, save_image


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".JPG"])
def test_every_format_is_written_and_nothing_else_is_left(suffix: str, tmp_path: Path) -> None:
    path = save_image(picture, tmp_path / f"out{suffix}")
    with Image.open(path) as written:
        assert written.size == (60, 40)
    assert [entry.name for entry in tmp_path.iterdir()] == [f"out{suffix}"]


def test_a_picture_too_large_for_its_format_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"17000 x 1 px does not fit WEBP .*save as \.png"):
        save_image(lambda: Image.new("RGB", (17000, 1)), tmp_path / "out.webp")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_image(picture, tmp_path / "out.png")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        save_image(lambda: Image.new("RGB", (9, 9)), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"]
