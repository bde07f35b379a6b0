"""Every parameter is in one part; parts can be frozen or get a learning rate."""

from __future__ import annotations

import pytest

from instructsam.config import load_config
from instructsam.errors import ConfigError
from instructsam.model.vlm.registry import VLMS
from instructsam.training.optim import build_optimizer, set_learning_rate
from instructsam.training.part_settings import PARTS, PartSettings
from instructsam.training.parts import part_prefixes, part_rates, parts_by_name
from instructsam.training.settings import OptimSettings, RunConfig
from tests.tiny import tiny_pair


@pytest.mark.parametrize("vlm", VLMS)
@pytest.mark.parametrize("tied", [True, False])
def test_every_parameter_is_in_exactly_one_part(vlm: str, tied: bool) -> None:
    model, _ = tiny_pair(vlm=vlm, tie_embeddings=tied)
    parts = parts_by_name(model)
    assert parts.keys() == {name for name, _ in model.named_parameters()}
    assert set(parts.values()) == set(PARTS)
    vision = {id(p) for module in model.vlm.vision_modules() for p in module.parameters()}
    for name, parameter in model.named_parameters():
        assert (parts[name] == "vlm_vision") == (id(parameter) in vision), name
        fits = {part for prefix, part in part_prefixes(model) if name.startswith(prefix)}
        broader = {
            "word_embeddings": "language_model",
            "vlm_vision": "language_model",
            "detector_vision": "detector",
        }
        assert fits <= {parts[name], broader.get(parts[name])}, name


def test_learning_rates_of_parts_are_absolute_and_multiply_with_prefixes() -> None:
    model, _ = tiny_pair()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    settings = OptimSettings(lr=1e-4, warmup_steps=0, lr_multipliers={"detector.detr_encoder": 0.5})
    parts = PartSettings(language_model=2e-5, detector=1e-3)
    optimizer = build_optimizer(model, settings, part_rates(model, parts, prefix=""))
    set_learning_rate(optimizer, 0, 10, settings)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    found = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    for name, part in parts_by_name(model).items():
        expected = {"language_model": 2e-5, "word_embeddings": 2e-5, "detector": 1e-3}.get(part, 1e-4)
        expected *= 0.5 if name.startswith("detector.detr_encoder") else 1
        assert found[name] == pytest.approx(expected), name


def config(*changes: str) -> RunConfig:
    return load_config(RunConfig, None, changes)


def test_the_released_settings_can_be_written() -> None:
    run = config(
        "model.path=base",
        "optim.lr=5e-6",
        "parts.detector=1e-5",
        "parts.detector_vision=freeze",
        "lora.rank=64",
        "parts.vlm_vision=5e-6",
    )
    assert run.trained_in_full == ("vlm_vision", "projectors", "instance_queries", "detector")
    assert run.trained_parts == (*run.trained_in_full, "language_model")


def test_word_embeddings_follow_the_language_model() -> None:
    assert "word_embeddings" not in config("parts.language_model=freeze").trained_in_full
    both = config("parts.language_model=freeze", "parts.word_embeddings=1e-4").trained_in_full
    assert "word_embeddings" in both
    assert "language_model" not in both


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([f"parts.{part}=freeze" for part in PARTS], "parts freezes everything that stage all trains: give one of"),
        (["stage=vision", "parts.detector=1e-4"], "parts.detector has a learning rate, but stage vision does not"),
        (["stage=vision", "lora.rank=4"], "lora adapts the language_model, which stage vision does not train"),
        (["lora.rank=4", "parts.language_model=freeze"], "parts.language_model=freeze freezes: remove one of them"),
        (["lora.rank=4", "parts.word_embeddings=1e-4"], "lora keeps word embeddings"),
        (["lora.vision=true"], "lora.rank is 0, so no adapter is trained"),
        (["lora.rank=4", "lora.target_modules=(q_proj"], "target_modules must be a regular expression, got"),
        (["parts.detectr=1e-4"], "unknown key parts.detectr"),
        (["parts.detector=frozen"], "parts.detector must be a finite number, one of 'freeze' or null, got"),
        (["parts.detector=-1"], "parts.detector must be a learning rate in (0, 100] or freeze, got -1"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(changes: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(*changes)
    assert message in str(caught.value)
