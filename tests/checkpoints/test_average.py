"""The mean of two models lies between them, and only models that belong together have one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from instructsam.checkpoints.average import average
from instructsam.checkpoints.convert import convert
from instructsam.errors import CheckpointError, InputError
from instructsam.inference.loading import load
from tests.published import publish
from tests.tiny import picture, tiny_pair


def saved(folder: Path, seed: int, **sizes: int | bool) -> Path:
    model, processor = tiny_pair(seed, **sizes)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_the_mean_lies_between_both(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "first", 1), saved(tmp_path / "second", 2)
    result = average(first, second, tmp_path / "mean", 0.25)
    before, after, mean = (load_file(folder / "model.safetensors") for folder in (first, second, result))
    assert mean.keys() == after.keys()
    for name, tensor in mean.items():
        assert torch.allclose(tensor, 0.75 * before[name] + 0.25 * after[name], atol=1e-6), name
    assert load(result, device="cpu").segment(picture(), "red mug").status in ("ok", "no_target")


@pytest.mark.parametrize(("share", "like"), [(0.0, "first"), (1.0, "second")])
def test_the_ends_are_the_models_themselves(tmp_path: Path, share: float, like: str) -> None:
    first, second = saved(tmp_path / "first", 1), saved(tmp_path / "second", 2)
    result = load_file(average(first, second, tmp_path / "mean", share) / "model.safetensors")
    for name, tensor in load_file(tmp_path / like / "model.safetensors").items():
        assert torch.equal(result[name], tensor), name


def test_models_of_other_sizes_are_refused(tmp_path: Path) -> None:
    first, other = saved(tmp_path / "first", 1), saved(tmp_path / "other", 2, num_queries=3)
    with pytest.raises(
        CheckpointError, match=r"differ in config\.json: .*, 'num_queries'; average a model with the one"
    ):
        average(first, other, tmp_path / "mean", 0.5)
    assert not (tmp_path / "mean").exists()


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "first", 1), saved(tmp_path / "second", 2)
    fields = json.loads((second / "tokenizer.json").read_text("utf-8"))
    vocabulary = fields["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (second / "tokenizer.json").write_text(json.dumps(fields), "utf-8")
    with pytest.raises(
        CheckpointError,
        match="differ in the tokenizer: 'a', 'b', 'its rules'; average",
    ):
        average(first, second, tmp_path / "mean", 0.5)


def test_settings_of_the_user_may_differ(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "first", 1), saved(tmp_path / "second", 2)
    fields = json.loads((second / "config.json").read_text("utf-8"))
    (second / "config.json").write_text(json.dumps({**fields, "score_threshold": 0.7, "max_pixels": 8192}))
    mean = load(average(first, second, tmp_path / "mean", 0.5), device="cpu")
    assert mean.model.config.score_threshold == 0.7


def test_a_table_that_is_stored_twice_or_once(tmp_path: Path) -> None:
    first, second = (
        saved(tmp_path / name, seed, tie_embeddings=True) for name, seed in (("first", 1), ("second", 2))
    )
    tensors = load_file(second / "model.safetensors")
    table = next(name for name in tensors if name.endswith("embed_tokens.weight"))
    twice = {**tensors, "lm_head.weight": tensors[table].clone()}
    save_file(twice, second / "model.safetensors", metadata={"format": "pt"})
    mean = load_file(average(first, second, tmp_path / "mean", 0.5) / "model.safetensors")
    assert torch.equal(mean["lm_head.weight"], mean[table])
    back = load_file(average(second, first, tmp_path / "back", 0.5) / "model.safetensors")
    assert torch.allclose(back[table], mean[table], atol=1e-6)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensor: tensor.fill_(float("nan")), "second.*holds values that are NaN"),
        (lambda tensor: tensor.fill_(1e38), "is beyond torch.float16: convert the second model first"),
    ],
)
def test_values_that_are_not_finite(
    tmp_path: Path, spoil: Callable[[torch.Tensor], torch.Tensor], message: str
) -> None:
    first, second = saved(tmp_path / "first", 1), saved(tmp_path / "second", 2)
    spoiled = first if "beyond" in message else second
    tensors = load_file(spoiled / "model.safetensors")
    spoil(tensors["query_projector.0.weight"])
    save_file(tensors, spoiled / "model.safetensors", metadata={"format": "pt"})
    if spoiled == first:
        second = convert(second, tmp_path / "half", "native", dtype="float16")
    with pytest.raises(CheckpointError, match=message):
        average(first, second, tmp_path / "mean", 0.5)
    assert not (tmp_path / "mean").exists()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "first", 1), saved(tmp_path / "second", 2)
    path = second / "model.safetensors"
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    names = [name for name in header if name != "__metadata__"]
    same = next(n for n in names[1:] if header[n]["shape"] == header[names[0]]["shape"])
    header[same]["data_offsets"] = header[names[0]]["data_offsets"]
    text = json.dumps(header).encode().ljust(size)[: max(size, len(json.dumps(header)))]
    path.write_bytes(len(text).to_bytes(8, "little") + text + path.read_bytes()[8 + size :])
    with pytest.raises(CheckpointError, match=r"second.*model\.safetensors"):
        average(first, second, tmp_path / "mean", 0.5)


def test_the_published_layout_is_converted_first(tmp_path: Path) -> None:
    publish(tmp_path / "published")
    with pytest.raises(CheckpointError, match=r"convert it first \(instructsam convert .* NEW --to native\)"):
        average(tmp_path / "published", tmp_path / "published", tmp_path / "mean", 0.5)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_its_range(tmp_path: Path, share: float) -> None:
    with pytest.raises(InputError, match="share must be"):
        average(tmp_path, tmp_path, tmp_path / "mean", share)
