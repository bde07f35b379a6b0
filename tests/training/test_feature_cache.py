"""Cached features give the loss of computed ones; other weights or pixels are other files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from instructsam.config import load_config
from instructsam.errors import ConfigError, InstructSAMError
from instructsam.model.vlm.registry import VLMS
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.data_settings import DataSettings
from instructsam.training.feature_cache import CacheFolder, FeatureCache
from instructsam.training.image_encoders import ImageEncoders
from instructsam.training.part_settings import PARTS
from instructsam.training.settings import RunConfig
from instructsam.training.stage_table import STAGES
from instructsam.training.stream import TrainingBatches
from instructsam.training.trainable import Trainable
from instructsam.world.source import WorldSource, WorldSourceSettings
from tests.tiny import tiny_pair
from tests.training.conftest import run, tiny
from tests.training.test_objectives import CPU, context

FROZEN = ("vlm_vision", "detector_vision")


def trainable(vlm: str) -> tuple[Trainable, list[TrainingBatch]]:
    model, processor = tiny_pair(vlm=vlm)
    trained = Trainable(context(model), STAGES["all"], {"segmentation": 1.0})
    trained.freeze([part for part in PARTS if part not in FROZEN])
    source = WorldSource(WorldSourceSettings(short_sides=(64,)), 3, 2, 2)
    sizes = OutputSizes.of(model, "nearest")
    drawn = TrainingBatches(source, processor, sizes, DataSettings(images_per_batch=2), 3)
    return trained, [drawn[0], drawn[1]]


def losses(trained: Trainable, batches: list[TrainingBatch]) -> list[Tensor]:
    return [trained(trained.prepare(batch, CPU, (0, 0, 0)))[0].detach() for batch in batches]


def whole_model(trained: Trainable) -> Any:
    """The encoders as inference runs them."""
    names = ("pixel_values", "image_grid_thw", "detector_pixel_values")
    return lambda inputs, _: trained.model.encode_images(*(getattr(inputs, name) for name in names))


def counts(trained: Trainable) -> list[tuple[int, int, int]]:
    return [(one.found, one.computed, one.left_out) for one in trained.encode_images.caches]


@pytest.mark.parametrize("vlm", VLMS)
def test_losses_are_the_same_and_images_are_encoded_once(vlm: str, tmp_path: Path) -> None:
    trained, batches = trainable(vlm)
    plain = losses(trained, batches)
    trained.encode_images = whole_model(trained)
    assert torch.equal(torch.stack(losses(trained, batches)), torch.stack(plain))
    trained.encode_images = ImageEncoders(trained.model, CacheFolder(tmp_path, 1))
    for time in range(2):
        assert torch.allclose(torch.stack(losses(trained, batches)), torch.stack(plain), atol=1e-6)
        assert counts(trained) == [(4 * time, 4, 0)] * 2
    for file in list(tmp_path.glob("*/*.safetensors"))[:2]:
        file.unlink()  # some images of a batch are there, others are not
    trained.encode_images = ImageEncoders(trained.model, CacheFolder(tmp_path, 1))
    assert torch.allclose(torch.stack(losses(trained, batches)), torch.stack(plain), atol=1e-6)
    assert sum(computed for _, computed, _ in counts(trained)) == 2


def test_only_frozen_encoders_are_cached(tmp_path: Path) -> None:
    trained, batches = trainable("qwen3_vl")
    trained.freeze([part for part in PARTS if part != "vlm_vision"])
    trained.encode_images = ImageEncoders(trained.model, CacheFolder(tmp_path, 1))
    total = trained(trained.prepare(batches[0], CPU, (0, 0, 0)))[0]
    total.backward()
    assert [path.name.rpartition("-")[0] for path in tmp_path.iterdir()] == ["vlm_vision"]
    assert all(p.grad is None for module in trained.model.vlm.vision_modules() for p in module.parameters())
    assert any(p.grad is not None for p in trained.model.detector.vision_encoder.parameters())


def test_a_full_folder_and_a_damaged_file_are_counted(tmp_path: Path) -> None:
    trained, batches = trainable("qwen3_vl")
    plain = losses(trained, batches)
    trained.encode_images = ImageEncoders(trained.model, CacheFolder(tmp_path, 1e-9))
    assert torch.allclose(torch.stack(losses(trained, batches)), torch.stack(plain), atol=1e-6)
    assert counts(trained) == [(0, 4, 4)] * 2
    assert not list(tmp_path.glob("*/*"))
    cache = FeatureCache(CacheFolder(tmp_path, 1), "encoder", [nn.Linear(1, 1)], "float32")
    cache.put("image", {"features": torch.ones(2)})
    (cache.folder / "image.safetensors").write_bytes(b"cut off")
    assert cache.get("image") is None
    cache.put("image", {"features": torch.ones(2)})
    assert cache.get("image") is not None


def test_other_weights_number_formats_and_pixels_have_other_names(tmp_path: Path) -> None:
    layer, folder = nn.Linear(2, 2), CacheFolder(tmp_path, 1)
    one = FeatureCache(folder, "encoder", [layer], "float32")
    with torch.no_grad():
        layer.weight[1, 1] += 1e-3
    other, low = (FeatureCache(folder, "encoder", [layer], kind) for kind in ("float32", "bfloat16"))
    assert len({one.folder, other.folder, low.folder}) == 3
    pixels = [torch.zeros(3, 2), torch.zeros(2, 3), torch.full((3, 2), 1e-6)]
    assert len({one.key((image,)) for image in pixels}) == 3


def test_a_disk_error_is_no_divergence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FeatureCache(CacheFolder(tmp_path, 1), "encoder", [nn.Linear(1, 1)], "float32")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("instructsam.training.feature_cache.save_file", full)
    with pytest.raises(
        InstructSAMError, match=r"cannot be written .*No space left.*make room there"
    ) as caught:
        cache.put("image", {"features": torch.ones(2)})
    assert type(caught.value) is InstructSAMError, "not an InputError, which an update takes for divergence"


def test_a_run_with_cached_features_has_the_losses_of_one_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = [f"parts.{part}=freeze" for part in FROZEN]
    short = ("schedule.total_steps=2", *frozen)
    run(None, tiny(tmp_path / "plain", *short))
    for name in ("cold", "warm"):
        run(None, tiny(tmp_path / name, *short, f"cache_features={tmp_path / 'cache'}"))
    assert "4 features found, 0 computed" in capsys.readouterr().err
    logs = [
        [
            json.loads(line)["parts"]["loss"]
            for line in (tmp_path / name / "log.jsonl").read_text().splitlines()
        ]
        for name in ("plain", "cold", "warm")
    ]
    assert logs[1] == pytest.approx(logs[0], abs=1e-4)
    assert logs[2] == pytest.approx(logs[0], abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((), "cache_features needs a vision encoder that is frozen"),
        (("parts.vlm_vision=freeze", "data.color_jitter=0.1"), "needs the same pixels in every pass"),
        (("parts.vlm_vision=freeze", "data.augment.flip=0.5"), "needs the same pixels in every pass"),
    ],
)
def test_trained_encoders_and_augmented_pixels_are_refused(changes: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(RunConfig, None, ["cache_features=cache", *changes])
