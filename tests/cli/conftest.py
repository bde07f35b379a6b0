"""A segmenter that needs no torch, put where the commands look for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.cli.main import run
from instructsam.errors import ImageError, InputError
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction

Outcome = tuple[int, str, str]


class FakeSegmenter:
    """Finds the left half of every image, unless the instruction says "nothing"."""

    score_threshold = 0.5
    default_mode = "generate"
    fingerprint = "0123456789ab"
    num_parameters = 4_000_000
    calls = None

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.noisy = False

    def segment(
        self,
        image: Image.Image,
        instructions: str | list[str] | None = None,
        *,
        phrases: list[str] | None = None,
        **options: Any,
    ) -> Prediction | list[Prediction]:
        if self.noisy:
            print("noise of a library on stdout")
        self.requests.append({"instructions": instructions, "phrases": phrases, **options})
        if phrases is not None:
            assert instructions is None or isinstance(instructions, str)
            return self._answer(image, instructions or "", tuple(phrases))
        assert isinstance(instructions, list)
        if any(len(text) > 2000 for text in instructions):
            raise InputError("the instruction must have at most 2000 characters, got 10000: shorten it")
        if image.width == 13:
            raise ImageError("13 pixels are unlucky")
        return [self._answer(image, text, (text,)) for text in instructions]

    def _answer(self, image: Image.Image, instruction: str, phrases: tuple[str, ...]) -> Prediction:
        height, width = image.height, image.width
        instances = Instances.empty(height, width)
        if instruction != "nothing":
            masks = np.zeros((1, height, width), np.bool_)
            masks[:, :, : max(1, width // 2)] = True
            box = np.array([[0, 0, max(1, width // 2), height]], np.float32)
            instances = Instances(masks, box, np.array([0.875], np.float32), np.zeros(1, np.int64))
        status = "ok" if len(instances) else "no_target"
        size, mode = (height, width), "direct" if phrases == (instruction,) else "phrases"
        return Prediction(instances, phrases, "", status, instruction, size, image, mode=mode)


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> FakeSegmenter:
    """What `load` returns; its calls begin with how it was loaded."""
    fake = FakeSegmenter()

    def load(
        name: str | None = None, device: str = "auto", dtype: str = "auto", quantize: str | None = None
    ) -> FakeSegmenter:
        chosen = {"dtype": dtype, "quantize": quantize}
        fake.requests.append({"load": name, "device": device})
        fake.requests[-1] |= {key: value for key, value in chosen.items() if value not in (None, "auto")}
        return fake

    monkeypatch.setattr("instructsam.inference.loading.load", load)
    return fake


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], segmenter: FakeSegmenter) -> Callable[..., Outcome]:
    """Runs a command line in this process: (exit code, stdout, stderr)."""

    def call(*arguments: object) -> Outcome:
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """An ordinary picture."""
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 24), "navy").save(path)
    return path
