"""The language model in fewer bits: what is converted, what stays, and how near the answers are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from instructsam.checkpoints.quantize import quantization_config
from instructsam.errors import InputError, MissingExtraError
from instructsam.inference.loading import load
from instructsam.model.shared_prefix import query_states
from tests.published import publish
from tests.tiny import picture, tiny_pair

pytest.importorskip("bitsandbytes", reason="the extra `quantize` is not installed")


def saved(folder: Path, **overrides: int) -> Path:
    model, processor = tiny_pair(**overrides)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def kinds(module: torch.nn.Module) -> set[str]:
    return {type(part).__name__ for part in module.modules() if "Linear" in type(part).__name__}


@pytest.mark.parametrize(("quantize", "width", "least"), [("int8", 32, 0.999), ("int4", 64, 0.95)])
def test_only_the_vlm_is_converted_and_its_answers_stay_near(
    tmp_path: Path, quantize: str, width: int, least: float
) -> None:
    folder = saved(tmp_path / "model", vlm_width=width)
    plain, small = load(folder, device="cpu"), load(folder, device="cpu", quantize=quantize)
    assert kinds(small.model.vlm) == {{"int8": "Linear8bitLt", "int4": "Linear4bit"}[quantize]}
    assert kinds(small.model.detector) == {"Linear"} == kinds(small.model.query_projector)
    assert type(small.model.lm_head) is torch.nn.Linear
    image = picture()
    inputs = plain.processor.encode([image], [plain_sample("red mug")])
    with torch.inference_mode():
        states = []
        for segmenter in (plain, small):
            seen = segmenter.model.encode_images(
                inputs.pixel_values, inputs.image_grid_thw, inputs.detector_pixel_values
            )
            states.append(query_states(segmenter.model, inputs, seen).flatten())
    assert not torch.equal(*states)
    assert torch.cosine_similarity(*states, dim=0) > least
    before = small.fingerprint
    assert small.segment(image, "red mug", mode="generate", max_new_tokens=3).instruction == "red mug"
    assert small.fingerprint == before
    assert small.model.get_memory_footprint() < plain.model.get_memory_footprint()


def plain_sample(text: str):
    from instructsam.processing.processor import Sample

    return Sample(0, text, (text,))


def test_the_published_layout_too(tmp_path: Path) -> None:
    publish(tmp_path / "published")
    segmenter = load(tmp_path / "published", device="cpu", quantize="int8")
    assert kinds(segmenter.model.vlm) == {"Linear8bitLt"}
    assert segmenter.segment(picture(), phrases=["red mug"]).phrases == ("red mug",)


def test_what_cannot_be_had_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(tmp_path / "model")
    with pytest.raises(InputError, match="quantize must be int8, int4 or None, got 'int2'"):
        load(folder, quantize="int2")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="multiple of 64, this model has one of 32: use int8"):
        load(folder, device="cpu", quantize="int4")
    with pytest.raises(InputError, match="works on cuda and cpu, the device is mps"):
        quantization_config("int8", tiny_pair()[0].config, torch.device("mps"), torch.float32)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'instructsam\[quantize\]'"):
        load(folder, device="cpu", quantize="int8")


def test_int8_is_quiet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(saved(tmp_path / "model"), device="cpu", quantize="int8").segment(picture(), phrases=["red mug"])
    assert not [record for record in caplog.records if "MatMul8bitLt" in record.getMessage()]


def test_it_is_not_written_back(tmp_path: Path) -> None:
    segmenter = load(saved(tmp_path / "model"), device="cpu", quantize="int8")
    with pytest.raises(InputError, match="a quantized model is not written"):
        segmenter.save(tmp_path / "again")
