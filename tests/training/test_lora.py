"""LoRA: what is trained, saved, merged and resumed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import instructsam
from instructsam.errors import CheckpointError, ConfigError
from instructsam.model.vlm.registry import VLMS
from instructsam.processing.word_list import save_words
from instructsam.training.export import LAST
from instructsam.training.lora import ADAPTER, add_adapters, modules_to_save, target_layers
from instructsam.training.part_settings import LoraSettings
from instructsam.training.parts import parts_by_name
from instructsam.training.start import open_model
from tests.published import publish
from tests.tiny import picture, tiny_pair
from tests.training.conftest import run, tiny

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
LORA = ("lora.rank=4", "lora.alpha=32", "parts.detector_vision=freeze", "optim.ema_decay=0.5")


def adapt(folder: Path, base: Path, *more: str) -> list[str]:
    kept = [one for one in tiny(folder) if not one.startswith("model.")]
    return [*kept, f"model.path={base}", *LORA, *more]


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three steps."""
    folder = tmp_path_factory.mktemp("run")
    torch.set_num_threads(1)
    run(None, adapt(folder, base, "schedule.total_steps=3"))
    return folder


@pytest.mark.parametrize("vlm", VLMS)
@pytest.mark.parametrize("vision", [False, True])
def test_the_layers_of_attention_and_mlp_are_adapted(vlm: str, vision: bool) -> None:
    model, _ = tiny_pair(vlm=vlm)
    settings = LoraSettings(rank=2, vision=vision)
    layers = target_layers(model, settings)
    blocks = len(model.vlm.language_model.layers)
    parts = parts_by_name(model)
    text = [name for name in layers if parts[f"{name}.weight"] == "language_model"]
    assert len(text) == 7 * blocks
    assert {parts[f"{name}.weight"] for name in layers} == set(settings.adapted)
    add_adapters(model, settings)
    assert {parts_by_name(model)[name] for name, _ in model.named_parameters() if "lora_" in name} == set(
        settings.adapted
    )


def test_a_pattern_chooses_layers_and_a_wrong_one_is_refused_with_those_there_are() -> None:
    model, _ = tiny_pair()
    some = target_layers(model, LoraSettings(rank=2, target_modules=r".*\.(q_proj|v_proj)"))
    assert len(some) == 2 * len(model.vlm.language_model.layers)
    with pytest.raises(ConfigError) as caught:
        target_layers(model, LoraSettings(rank=2, target_modules="query"))
    message = str(caught.value)
    assert "lora.target_modules must match the full name of a linear layer, got 'query'; there are" in message
    assert "vlm.language_model.layers.N.self_attn.q_proj" in message
    assert "lora.vision=true" in message


def test_modules_that_are_trained_as_a_whole_are_saved() -> None:
    model, _ = tiny_pair()
    add_adapters(model, LoraSettings(rank=2))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(
            "lora_" in name or not name.startswith(("vlm.", "lm_head", "detector.vision_encoder"))
        )
    saved = modules_to_save(model)
    assert {"instance_queries", "query_projector", "phrase_projector", "detector.detr_decoder"} <= set(saved)
    assert not any(name.startswith(("vlm", "lm_head", "detector.vision_encoder")) for name in saved)
    assert "detector" not in saved


def test_a_run_trains_adapters_and_modules_and_nothing_else(trained: Path, base: Path) -> None:
    before = load_file(base / "model.safetensors")
    after = load_file(trained / LAST / "model.safetensors")
    changed = {name for name in after if not torch.allclose(after[name], before[name], atol=1e-7)}
    assert any("language_model.layers.0.self_attn.q_proj" in name for name in changed)
    assert any(name.startswith("detector.detr_decoder") for name in changed)
    assert "instance_queries.weight" in changed
    frozen = ("detector.vision_encoder", "vlm.visual", "vlm.language_model.embed", "lm_head")
    assert not [
        name for name in changed if name.startswith(frozen) or ("norm" in name and name.startswith("vlm"))
    ]


def test_the_merged_export_answers_as_the_adapter_folder(trained: Path) -> None:
    models = [
        open_model(trained / LAST)[0],
        open_model(trained / ADAPTER)[0],
        instructsam.load(trained / ADAPTER, adapter="keep").model,
    ]
    one = models[0].state_dict()
    for name, tensor in models[1].state_dict().items():
        assert torch.allclose(one[name], tensor, atol=1e-6), name
    answers = [
        instructsam.load(folder, adapter=how).segment(picture(), phrases=["red mug"], score_threshold=0)  # type: ignore[arg-type]
        for folder, how in (
            (trained / LAST, "merge"),
            (trained / ADAPTER, "merge"),
            (trained / ADAPTER, "keep"),
        )
    ]
    for answer in answers[1:]:
        assert len(answer.instances) == len(answers[0].instances)
        assert answer.instances.scores == pytest.approx(answers[0].instances.scores, abs=1e-5)
    fields = json.loads((trained / ADAPTER / "adapter_config.json").read_text())
    assert fields["r"] == 4
    assert "instance_queries" in fields["modules_to_save"]


@pytest.mark.parametrize("merge", [True, False])
def test_a_run_resumes_exactly(trained: Path, base: Path, tmp_path: Path, merge: bool) -> None:
    more = ("schedule.total_steps=3", f"lora.merge_on_export={str(merge).lower()}")
    run(None, adapt(tmp_path, base, *more, "schedule.max_minutes=1e-9"))
    assert (tmp_path / LAST / "adapter_config.json").is_file() != merge
    run(None, adapt(tmp_path, base, *more), resume=True)
    last = Path("checkpoints") / "step-00000003"
    for name in ("model", "frozen", "ema", "optimizer"):
        one, two = (load_file(folder / last / f"{name}.safetensors") for folder in (trained, tmp_path))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name
    model, _ = open_model(tmp_path / LAST)
    merged, _ = open_model(trained / LAST)
    assert all(
        torch.allclose(one, two, atol=1e-6)
        for one, two in zip(model.parameters(), merged.parameters(), strict=True)
    )


def test_checkpoints_share_frozen_weights_and_hold_no_optimizer_state_of_them(trained: Path) -> None:
    folder = trained / "checkpoints" / "step-00000003"
    frozen, state = load_file(folder / "frozen.safetensors"), load_file(folder / "optimizer.safetensors")
    assert not {name.rpartition("|")[0] for name in state} & frozen.keys()
    assert not load_file(folder / "ema.safetensors").keys() & {name.removeprefix("model.") for name in frozen}


def test_a_second_run_trains_on_the_merged_model_or_on_the_adapter(trained: Path, tmp_path: Path) -> None:
    for start in (LAST, ADAPTER):
        folder = tmp_path / start
        run(None, adapt(folder, trained / start, "schedule.total_steps=1"))
        assert instructsam.load(folder / LAST).model is not None
        assert instructsam.load(folder / ADAPTER).model is not None


def test_both_exports_carry_the_word_list_with_the_words_of_the_data(base: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(base, tmp_path / "base")
    save_words(["zyzzyva"], copy)
    run(None, adapt(tmp_path / "run", copy, "schedule.total_steps=1"))
    for folder in (LAST, ADAPTER):
        words = instructsam.load(tmp_path / "run" / folder).processor.words
        assert words is not None
        assert {"zyzzyva", "mugs", "topmost"} <= words


def test_a_missing_base_is_named(trained: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(trained / ADAPTER, tmp_path / "moved")
    path = moved / "adapter_config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": str(tmp_path / "gone")})
    )
    with pytest.raises(CheckpointError, match="gone"):
        instructsam.load(moved)


def test_adapters_need_a_trained_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lora adapts a trained model: set model.path to it"):
        run(None, tiny(tmp_path, *LORA))


def test_the_published_layout_can_be_adapted(tmp_path: Path) -> None:
    publish(tmp_path / "published")
    run(None, adapt(tmp_path / "run", tmp_path / "published", "schedule.total_steps=1"))
    merged, _ = open_model(tmp_path / "run" / LAST)
    adapted, _ = open_model(tmp_path / "run" / ADAPTER)
    for (name, one), two in zip(merged.named_parameters(), adapted.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-6), name
