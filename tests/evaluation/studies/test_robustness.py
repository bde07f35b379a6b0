"""Scores on changed pictures against the untouched ones, on the same instructions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.data.record import Record
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.benchmarks.perturbations import LeftOutError, flip
from instructsam.evaluation.studies.robustness import measure
from instructsam.structures.predictions import Prediction
from tests.evaluation.fakes import Oracle, Silent, toy_benchmark


def same(image: Image.Image, record: Record) -> tuple[Image.Image, Record]:
    return image, record


def shy(image: Image.Image, record: Record) -> tuple[Image.Image, Record]:
    if len(record.phrases) > 1:
        raise LeftOutError("two phrases are too many")
    return Image.new("RGB", image.size, "black"), record


class AfraidOfTheDark(Oracle):
    """Says nothing about a black picture."""

    def segment(
        self, image: Image.Image, instructions: list[str], /, *, mode: str, score_threshold: float
    ) -> list[Prediction]:
        dark = not np.asarray(image).any()
        segmenter = Silent() if dark else super()
        return segmenter.segment(image, instructions, mode=mode, score_threshold=score_threshold)


def test_the_drop_is_paired_and_what_is_left_out_is_counted() -> None:
    done: list[int] = []
    found = measure(
        AfraidOfTheDark(), toy_benchmark(), progress=done.append, perturbations={"same": same, "dark": shy}
    )
    untouched, dark = found.changes
    assert (untouched.instructions, dict(untouched.left_out)) == (5, {})
    assert untouched.differences["giou"].difference == 0
    assert (dark.instructions, dict(dark.left_out)) == (4, {"two phrases are too many": 1})
    assert dark.differences["giou"].a == pytest.approx(1.0)
    assert dark.differences["giou"].b == pytest.approx(0.5), "two of four have no target"
    assert dark.differences["n_acc"].difference == 0
    assert done == list(range(1, 15))
    text = found.to_text()
    assert "-0.500" in text
    assert "- dark: left out 1, two phrases are too many" in text
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_mirrored_world_is_asked_in_mirrored_words() -> None:
    class Listening(Silent):
        def segment(
            self, image: Image.Image, instructions: list[str], /, *, mode: str, score_threshold: float
        ) -> list[Prediction]:
            self.truth |= {text: replace(known[0], instruction=text) for text in instructions}
            return super().segment(image, instructions, mode=mode, score_threshold=score_threshold)

        def _predict(self, record: Record, image: Image.Image) -> Prediction:
            asked.append(record.instruction)
            return super()._predict(record, Image.new("RGB", (40, 20)))

    asked: list[str] = []
    known = [record for _, record in toy_benchmark().iterate()]

    def source(limit: int | None) -> Iterator[tuple[Image.Image, Record]]:
        for image, record in toy_benchmark().iterate(limit):
            yield image, replace(record, instruction="the bar on the left")

    measure(Listening(), Benchmark("toy", source), 2, perturbations={"flip": flip})
    assert asked == ["the bar on the left"] * 2 + ["the bar on the right"] * 2


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    first = measure(AfraidOfTheDark(), toy_benchmark(), folder=tmp_path, perturbations={"dark -5%": shy})
    second = AfraidOfTheDark()
    again = measure(second, toy_benchmark(), folder=tmp_path, perturbations={"dark -5%": shy})
    assert second.requests == []
    assert again == first
    assert (tmp_path / "dark_-5.jsonl").is_file()
    with pytest.raises(InputError, match="model=, this run has other"):
        measure(second, toy_benchmark(), folder=tmp_path, provenance={"model": "other"}, perturbations={})


def test_nothing_to_change_is_an_error() -> None:
    with pytest.raises(InputError, match="nothing to change"):
        measure(Oracle(), toy_benchmark(()))
