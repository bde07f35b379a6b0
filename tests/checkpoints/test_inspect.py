"""The account of a folder names every tensor, and what would keep it from loading."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.inspect import account, account_of, expected_shapes
from instructsam.checkpoints.published_layout import config_from_published, map_published_name
from instructsam.errors import CheckpointError
from tests.published import publish
from tests.reference import REFERENCE, needs_reference
from tests.tiny import tiny_pair


def test_a_native_folder(tmp_path: Path) -> None:
    model, _ = tiny_pair()
    model.save_pretrained(tmp_path)
    found = account(tmp_path)
    assert found.complete
    assert found.layout == "native"
    assert found.total.parameters == sum(p.numel() for p in model.parameters())
    assert found.total.num_bytes == 4 * found.total.parameters
    assert found.dtypes == {"F32": found.total.tensors}
    assert found.parts["instance queries"].parameters == model.instance_queries.weight.numel()
    assert "unknown" not in found.parts


def test_a_published_folder_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    publish(tmp_path, dtype=torch.bfloat16)
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\nlicensed to all\n")
    found = account(tmp_path)
    assert (found.layout, found.complete) == ("published", True)
    assert found.parts["not used"].tensors == 1
    assert found.licence == ["README.md: license: apache-2.0"]
    tensors = load_file(tmp_path / "model.safetensors")
    tensors.pop("model.mask_queries")
    tensors["model.extra"] = torch.zeros(1)
    tensors["lm_head.weight"] = torch.zeros(2, 2)
    save_file(tensors, tmp_path / "model.safetensors")
    found = account(tmp_path)
    assert found.missing == ["instance_queries.weight"]
    assert found.unexpected == ["model.extra"]
    assert found.misshapen[0].startswith("lm_head.weight is (2, 2), config.json requires (")


def test_damage_is_named(tmp_path: Path) -> None:
    publish(tmp_path)
    weights = tmp_path / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1])
    with pytest.raises(CheckpointError, match="cut short"):
        account(tmp_path)
    weights.write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        account(tmp_path)
    weights.unlink()
    with pytest.raises(CheckpointError, match=r"lacks model\.safetensors"):
        account(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam3"}))
    with pytest.raises(CheckpointError, match="describes a sam3 model, expected InstructSAM"):
        read_config(tmp_path)


@needs_reference
def test_the_published_2b_model_has_exactly_these_tensors() -> None:
    """Names and shapes of the empty-weight 2B model are those recorded from the released code, to the last one."""
    recorded = json.loads((REFERENCE / "keys_2b.json").read_text(encoding="utf-8"))
    fields = {key: value for key, value in recorded["config"].items() if key != "sam3"}
    ours = expected_shapes(config_from_published(fields))
    mapped = {map_published_name(name): tuple(shape) for name, (shape, _) in recorded["keys"].items()}
    mapped.pop(None)
    assert mapped == ours
    assert len(recorded["keys"]) == 1705


def test_a_missing_tokenizer_is_a_problem(tmp_path: Path) -> None:
    publish(tmp_path)
    assert account_of(tmp_path).complete
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    found = account_of(tmp_path)
    assert not found.complete
    assert "holds no tokenizer" in found.problems[0]
