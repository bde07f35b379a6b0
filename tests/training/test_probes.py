"""Probes go from run to run; new ones on trained encoders learn faster at first, and only those."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from instructsam.errors import CheckpointError
from instructsam.training import optim
from instructsam.training.checkpointing import latest_checkpoint, read_state
from instructsam.training.part_settings import PARTS
from instructsam.training.probes import load_probes, save_probes
from tests.training.conftest import run, tiny

PROBE = "objectives.dense_classes.vlm.weight"


def objectives(width: int = 8) -> nn.ModuleDict:
    return nn.ModuleDict({"one": nn.Linear(width, 3), "other": nn.Linear(width, 2), "without": nn.Identity()})


def test_probes_go_from_run_to_run(tmp_path: Path) -> None:
    one, other = objectives(), objectives()
    assert load_probes(other, tmp_path / "model") == ["one", "other"]
    save_probes(one.state_dict(), tmp_path)
    assert load_probes(other, tmp_path / "model") == []
    assert torch.equal(one["one"].weight, other["one"].weight)
    wider = nn.ModuleDict({**objectives(), "third": nn.Linear(2, 2)})
    assert load_probes(wider, tmp_path / "model") == ["third"]
    with pytest.raises(CheckpointError, match=r"probes\.safetensors does not fit this model or is damaged"):
        load_probes(objectives(6), tmp_path / "model")


def test_probes_of_an_earlier_version_are_loaded(tmp_path: Path) -> None:
    probes = {"vlm.weight": torch.rand(3, 8), "vlm.bias": torch.rand(3)}
    save_file(probes, tmp_path / "readers.safetensors")
    module = nn.ModuleDict(
        {"dense_classes": nn.ModuleDict({"vlm": nn.Linear(8, 3)}), "other": nn.Linear(8, 2)}
    )
    assert load_probes(module, tmp_path / "model") == ["other"]
    loaded = module["dense_classes"].state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in probes.items())
    save_probes(objectives().state_dict(), tmp_path)
    assert load_probes(objectives(), tmp_path / "model") == [], "probes of a later run take precedence"


def test_without_probes_no_file_is_written(tmp_path: Path) -> None:
    save_probes({}, tmp_path)
    assert not list(tmp_path.iterdir())


def new_probes(folder: Path) -> list[str]:
    latest = latest_checkpoint(folder / "checkpoints")
    assert latest is not None
    found: list[str] = read_state(latest)["meta"]["new_probes"]
    return found


def test_only_new_probes_on_trained_parts_learn_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(optim, "NEW_PROBE_STEPS", 1)
    short = ("schedule.total_steps=1", "loss.objectives.dense_classes=1")
    run(None, tiny(tmp_path / "phrases", *short, "stage=phrases"))
    assert new_probes(tmp_path / "phrases") == [], "probes and encoders are both new"

    rest = [one for one in tiny(tmp_path / "all", *short) if not one.startswith("model.")]
    more = [*rest, "loss.objectives.query_readout=1", f"model.path={tmp_path}/phrases/model"]
    run(None, more)
    assert new_probes(tmp_path / "all") == [], "old probes, and new ones on a language model without training"
    assert "no probes of query_readout beside" in capsys.readouterr().err

    (tmp_path / "all" / "probes.safetensors").unlink()
    later = [one for one in more if not one.startswith(("output_dir", "model.", "schedule.total"))]
    later += [f"model.path={tmp_path}/all/model", f"output_dir={tmp_path}/later", "schedule.total_steps=3"]
    run(None, [*later, "schedule.max_minutes=1e-9"])
    assert new_probes(tmp_path / "later") == ["dense_classes", "query_readout"]
    assert "learn faster at first" in capsys.readouterr().err
    record = json.loads((tmp_path / "later" / "model" / "training.json").read_text())
    assert record["trained_parts"] == sorted(PARTS)

    rates: list[dict[str, float]] = []
    plain = optim.set_learning_rate

    def noted(optimizer: torch.optim.Optimizer, *arguments: object) -> float:
        lr = plain(optimizer, *arguments)  # type: ignore[arg-type]
        rates.append({group["objective"]: group["lr"] / lr for group in optimizer.param_groups})
        return lr

    monkeypatch.setattr("instructsam.training.updates.set_learning_rate", noted)
    run(None, later, resume=True)
    assert [rate["dense_classes"] for rate in rates] == pytest.approx([10.0, 1.0]), "as if it had not stopped"
    assert [rate[""] for rate in rates] == [1.0, 1.0]


def test_a_model_without_a_record_counts_as_trained(tmp_path: Path) -> None:
    short = ("schedule.total_steps=1", "loss.objectives.dense_classes=1")
    run(None, tiny(tmp_path / "first", "schedule.total_steps=1"))
    (tmp_path / "first" / "last").rename(tmp_path / "copy")
    (tmp_path / "copy" / "training.json").unlink()
    init = f"model.init_from={tmp_path}/copy"
    run(None, tiny(tmp_path / "second", *short, init))
    assert new_probes(tmp_path / "second") == ["dense_classes"]
