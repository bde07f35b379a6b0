"""Python and pickled files in a model folder are never run, whatever its configuration says and the user types."""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from instructsam.baselines.sam3_concept import load_sam3
from instructsam.checkpoints.adapters import require_plain_lora
from instructsam.checkpoints.assemble import load_vlm_base
from instructsam.checkpoints.inspect import account_of
from instructsam.checkpoints.stock import require_stock
from instructsam.errors import CheckpointError, InstructSAMError
from instructsam.inference.loading import load
from instructsam.processing.tokenizer_files import load_tokenizer
from instructsam.vlms.local import load_vlm
from tests.tiny import tiny_pair
from tests.vlms.test_local import save_vlm

CODE = """
from pathlib import Path
Path(MARKER).write_text("run")
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast, ProcessorMixin
class Config(PreTrainedConfig): model_type = "evil"
class Model(PreTrainedModel): config_class = Config
class Tokenizer(PreTrainedTokenizerFast): pass
class Processor(ProcessorMixin): pass
"""
AUTO_MAP = {
    "AutoConfig": "evil.Config",
    "AutoModel": "evil.Model",
    "AutoModelForImageTextToText": "evil.Model",
    "AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"],
    "AutoProcessor": "evil.Processor",
    "AutoImageProcessor": "evil.Processor",
}


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears when the code in a folder runs; every question is answered with yes."""
    monkeypatch.setattr(builtins, "input", lambda *_: "y")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 99))
    return tmp_path / "marker"


def infect(folder: Path, marker: Path, **config: Any) -> Path:
    """Put code into a folder and name it wherever a library looks."""
    (folder / "evil.py").write_text(CODE.replace("MARKER", repr(str(marker))))
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(CODE.replace("MARKER", repr(str(marker))))
    for name in (
        "config.json",
        "tokenizer_config.json",
        "processor_config.json",
        "preprocessor_config.json",
        "generation_config.json",
    ):
        path = folder / name
        fields = json.loads(path.read_text()) if path.is_file() else {}
        changed = {**fields, "auto_map": AUTO_MAP, **(config if name == "config.json" else {})}
        path.write_text(json.dumps(changed))
    return folder


def native(folder: Path) -> Path:
    model, processor = tiny_pair()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_the_marker_appears_when_the_code_runs(tmp_path: Path, marker: Path) -> None:
    """The test itself works: with consent, transformers runs the code."""
    from transformers import AutoConfig

    folder = infect(native(tmp_path / "model"), marker, model_type="evil")
    AutoConfig.from_pretrained(folder)
    assert marker.exists()


def test_a_model_of_ours(tmp_path: Path, marker: Path) -> None:
    folder = infect(native(tmp_path / "model"), marker)
    with pytest.raises(CheckpointError, match=r"auto_map is not read: code of its own is never run"):
        load(folder, device="cpu")
    for name in ("config.json", "processor_config.json"):
        path = folder / name
        path.write_text(
            json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "auto_map"})
        )
    load(folder, device="cpu")
    assert account_of(folder).complete
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["qwen3_vl", "evil", "llava"])
@pytest.mark.parametrize(
    "opener", [load_vlm, load_tokenizer, load_sam3, lambda path: load_vlm_base(path, torch.float32)]
)
def test_models_of_others(tmp_path: Path, marker: Path, kind: str, opener: Callable[[Path], Any]) -> None:
    folder = infect(save_vlm(tmp_path / "vlm"), marker, model_type=kind)
    with contextlib.suppress(InstructSAMError):
        opener(folder)
    assert not marker.exists()


def test_a_known_kind_loads_without_its_code(tmp_path: Path, marker: Path) -> None:
    load_vlm(infect(save_vlm(tmp_path / "vlm"), marker), device="cpu")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["attn_implementation", "_attn_implementation", "experts_implementation"])
def test_kernels_from_the_hub_are_not_run(tmp_path: Path, name: str) -> None:
    for fields in ({name: "owner/kernel"}, {"text_config": {name: "owner/kernel@v1:flash"}}):
        (tmp_path / "config.json").write_text(json.dumps(fields))
        with pytest.raises(CheckpointError, match=rf"{name} 'owner/kernel.*' is not run: kernels are code"):
            require_stock(tmp_path)


def test_weights_elsewhere_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"transformers_weights": "adapter_model.bin"}')
    with pytest.raises(CheckpointError, match="transformers_weights is not read"):
        require_stock(tmp_path)
    folder = native(tmp_path / "model")
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "transformers_weights": "other.safetensors"}))
    with pytest.raises(CheckpointError, match="transformers_weights is not read"):
        load(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, "megatron_config is not supported"),
        ({"layer_replication": [[0, 10**6]]}, "layer_replication is not supported"),
        ({"r": 10**9}, "r and the values of rank_pattern must be a whole number"),
        ({"r": "8"}, "r and the values of rank_pattern must be a whole number"),
        ({"r": 8, "rank_pattern": {"q": 10**9}}, "r and the values of rank_pattern"),
        ({"r": 8, "rank_pattern": 7000}, "r and the values of rank_pattern"),
    ],
)
def test_adapters_import_nothing_and_stay_small(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = tmp_path / "adapter_config.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match=message):
        require_plain_lora(path)
