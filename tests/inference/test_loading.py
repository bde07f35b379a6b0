"""Loading is strict and says in one line what is wrong."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from instructsam.checkpoints.devices import pick_device, pick_dtype
from instructsam.checkpoints.inspect import account_of
from instructsam.errors import CheckpointError, InputError, InstructSAMError
from instructsam.inference.loading import load
from instructsam.inference.segmenter import Segmenter
from instructsam.processing.tokenizer_files import TOKENIZER_FILES, load_tokenizer
from instructsam.processing.tokens import train_tokenizer
from tests.published import publish
from tests.tiny import picture, tiny_pair


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model, processor = tiny_pair()
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_round_trip(saved: Path) -> None:
    segmenter = load(saved, device="cpu")
    model, processor = tiny_pair()
    one = segmenter.segment(picture(), "red mug", score_threshold=0.0)
    other = Segmenter(model, processor).segment(picture(), "red mug", score_threshold=0.0)
    assert one.instances.scores == pytest.approx(other.instances.scores, abs=1e-6)
    assert (one.instances.masks == other.instances.masks).all()


def test_half_precision_on_disk_is_float32_on_cpu(saved: Path) -> None:
    model, _ = tiny_pair()
    model.half().save_pretrained(saved)
    assert load(saved, device="cpu").model.dtype == torch.float32


def edit(folder: Path, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def test_missing_unexpected_and_misshapen(saved: Path) -> None:
    edit(saved, lambda t: t.pop("instance_queries.weight"))
    with pytest.raises(CheckpointError, match=r"1 tensors \(missing instance_queries.weight"):
        load(saved)
    edit(saved, lambda t: t.update({"instance_queries.weight": torch.zeros(4, 32), "extra": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="unexpected extra"):
        load(saved)
    edit(saved, lambda t: (t.pop("extra"), t.update({"instance_queries.weight": torch.zeros(5, 32)})))
    with pytest.raises(
        CheckpointError, match=r"instance_queries.weight is \(5, 32\), config.json requires \(4, 32\)"
    ):
        load(saved)


def test_damaged_weights(saved: Path) -> None:
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is cut short: its header alone") as caught:
        load(saved)
    assert "\n" not in str(caught.value)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"lacks model\.safetensors; fetch the model again"):
        load(saved)


def test_damaged_config_and_processor(saved: Path) -> None:
    settings = saved / "processor_config.json"
    text = settings.read_text()
    settings.write_text("{")
    with pytest.raises(CheckpointError, match=r"processor_config.json: .* damaged"):
        load(saved)
    settings.unlink()
    with pytest.raises(CheckpointError, match=r"has no processor_config.json"):
        load(saved)
    settings.write_text(text)
    fields = json.loads((saved / "config.json").read_text())
    fields["num_queries"] = "many"
    (saved / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError):
        load(saved)


@pytest.mark.parametrize("name", TOKENIZER_FILES)
def test_pointers_and_pipes_of_a_tokenizer(saved: Path, name: str) -> None:
    (saved / name).write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match=rf"{re.escape(name)} is a Git LFS pointer"):
        load_tokenizer(saved)
    (saved / name).unlink()
    os.mkfifo(saved / name)
    if name == "tokenizer.json":
        with pytest.raises(CheckpointError, match=r"no tokenizer\.json"):
            load_tokenizer(saved)
    else:
        load_tokenizer(saved)  # does not wait for someone to write into the pipe


def test_an_unknown_kind_of_part_is_one_short_line(saved: Path) -> None:
    fields = json.loads((saved / "config.json").read_text())
    fields["detector_config"]["text_config"]["model_type"] = "odd"
    (saved / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match="odd") as caught:
        load(saved)
    assert len(str(caught.value)) < 700  # transformers lists every model that it knows


@pytest.mark.parametrize("name", ["no-such-model", "./nowhere", "a/b/c", "model.pt", ""])
def test_unknown_names(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError):
        load(name)
    with pytest.raises(CheckpointError, match=r"holds no model \(no config.json\)"):
        load(tmp_path / "empty")


def test_hub_ids_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def offline(*_: object, **__: object) -> str:
        raise huggingface_hub.errors.LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(CheckpointError, match="fetch it once with `hf download nobody/nothing`"):
        load("nobody/nothing")


def test_hub_ids_are_fetched_once_at_one_revision(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[tuple[str, str | None]] = []

    def fake(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        assert not [pattern for pattern in allow_patterns if pattern.endswith((".bin", ".py", ".pt"))]
        asked.append((name, revision))
        return str(saved)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake)
    load("owner/name", revision="abc", device="cpu")
    assert asked == [("owner/name", "abc")] * 2  # the small files first, then the weights


def test_devices_and_dtypes() -> None:
    cpu = torch.device("cpu")
    assert pick_device("cpu") == cpu
    assert pick_dtype("auto", cpu) == torch.float32
    assert pick_dtype("bfloat16", cpu) == torch.bfloat16
    with pytest.raises(InputError, match="unknown device 'gpu!'"):
        pick_device("gpu!")
    with pytest.raises(InputError, match="unknown dtype 'int4'"):
        pick_dtype("int4", cpu)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no usable CUDA"):
            pick_device("cuda")


def test_the_published_layout_is_told_by_its_config(tmp_path: Path) -> None:
    model, processor = publish(tmp_path / "published")
    segmenter = load(tmp_path / "published", device="cpu")
    for name, tensor in model.state_dict().items():
        assert torch.equal(segmenter.model.state_dict()[name], tensor), name
    one = segmenter.segment(picture(), "red mug", score_threshold=0.0)
    other = Segmenter(model, processor).segment(picture(), "red mug", score_threshold=0.0)
    assert one.instances.scores == pytest.approx(other.instances.scores, abs=1e-6)
    assert segmenter.model.config.token_ids == processor.token_ids.as_dict()


def test_a_published_model_in_shards_and_half_precision(tmp_path: Path) -> None:
    model, _ = publish(tmp_path, dtype=torch.bfloat16)
    tensors = load_file(tmp_path / "model.safetensors")
    names = sorted(tensors)
    halves = {"a.safetensors": names[: len(names) // 2], "b.safetensors": names[len(names) // 2 :]}
    for file, part in halves.items():
        save_file({name: tensors[name] for name in part}, tmp_path / file, metadata={"format": "pt"})
    places = {name: file for file, part in halves.items() for name in part}
    index = {"metadata": {}, "weight_map": places}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "model.safetensors").unlink()
    loaded = load(tmp_path, device="cpu").model
    assert loaded.dtype == torch.float32
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.bfloat16().float()), name
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks b\.safetensors"):
        load(tmp_path)


def test_published_tensors_are_all_accounted_for(tmp_path: Path) -> None:
    publish(tmp_path)
    edit(tmp_path, lambda t: (t.pop("model.mask_queries"), t.update({"model.extra": torch.zeros(1)})))
    with pytest.raises(
        CheckpointError, match=r"2 tensors \(missing instance_queries.weight, unexpected model.extra\)"
    ):
        load(tmp_path)
    edit(tmp_path, lambda t: (t.pop("model.extra"), t.update({"model.mask_queries": torch.zeros(5, 32)})))
    with pytest.raises(CheckpointError, match=r"model.mask_queries is \(5, 32\), config.json requires"):
        load(tmp_path)


def test_a_published_model_needs_its_own_tokenizer(tmp_path: Path) -> None:
    publish(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**fields, "seg_token_index": 7}))
    with pytest.raises(CheckpointError, match=r"is not this model's: it has query \d+, config.json 7"):
        load(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    with pytest.raises(CheckpointError, match="holds no tokenizer"):
        load(tmp_path)
    del fields["text_config"]
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match=r"config\.json lacks text_config"):
        load(tmp_path)


def test_every_tensor_that_does_not_fit_is_in_one_error(saved: Path) -> None:
    def change(tensors) -> None:
        tensors.pop("query_projector.0.bias" if "query_projector.0.bias" in tensors else sorted(tensors)[0])
        tensors["instance_queries.weight"] = torch.zeros(5, 32)
        tensors["extra"] = torch.zeros(1)

    edit(saved, change)
    with pytest.raises(CheckpointError) as caught:
        load(saved)
    for words in ("3 tensors", "missing ", "unexpected extra", "instance_queries.weight is (5, 32)"):
        assert words in str(caught.value)
    edit(saved, lambda tensors: [tensors.pop(name) for name in list(tensors)[:20]])
    with pytest.raises(CheckpointError, match=r"`instructsam doctor .*` lists all"):
        load(saved)


def test_another_models_tokenizer_is_refused(saved: Path) -> None:
    other = train_tokenizer(["something else entirely"] * 4, vocab_size=300)
    other.save_pretrained(str(saved))
    with pytest.raises(CheckpointError, match=r"is not this model's: it has image \d+, config.json \d+"):
        load(saved)
    assert not account_of(saved).complete


def test_a_diverged_model_says_so(saved: Path) -> None:
    segmenter = load(saved, device="cpu")
    for parameter in segmenter.model.query_projector.parameters():
        parameter.data.fill_(float("nan"))
    with pytest.raises(InstructSAMError, match=r"not numbers in torch.float32: load it with dtype='float32'"):
        segmenter.segment(picture(), phrases=["kite"])


@pytest.mark.parametrize("part", ["detector.mask_decoder", "detector.detr_decoder", "vlm.language_model"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("given", [{"instruction": "the kite"}, {"phrases": ["kite"]}])
def test_answers_that_are_not_numbers_are_never_no_target(
    part: str, value: float, given: dict[str, Any]
) -> None:
    segmenter = Segmenter(*tiny_pair())
    for name, parameter in segmenter.model.named_parameters():
        if name.startswith(part):
            parameter.data.fill_(value)
    with pytest.raises(InstructSAMError, match=r"the model's .* are not numbers in torch\.float32"):
        segmenter.segment(picture(), **given)


def test_devices_that_are_none() -> None:
    for name in ("meta", "xpu"):
        with pytest.raises(InputError, match="use auto, cpu, cuda"):
            pick_device(name)
    if not torch.backends.mps.is_available():
        with pytest.raises(InputError, match="machine has none: use cpu"):
            pick_device("mps")
