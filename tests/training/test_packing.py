from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from instructsam.cli.main import run as command
from instructsam.errors import CheckpointError, ConfigError, InputError, InstructSAMError
from instructsam.training import pack_files, packing
from instructsam.training.checkpointing import latest_checkpoint, read_checkpoint
from instructsam.training.export import export_is_current
from instructsam.training.pack_files import Pack
from instructsam.training.pack_files import packed as facts_of
from instructsam.training.packing import pack_run, unpack_run
from tests.training.conftest import TINY, run, tiny

SMALL = 0.9  # megabytes: several files for a tiny model


@pytest.fixture(scope="module")
def packed(run_of_one_step: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packed") / "pack"
    assert pack_run(run_of_one_step, out, SMALL).files > 2
    return out


@pytest.fixture
def pack(packed: Path, tmp_path: Path) -> Path:
    """A pack to damage."""
    return Path(shutil.copytree(packed, tmp_path / "pack"))


def losses(folder: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["parts"]["loss"] for line in lines}


def test_a_run_resumed_from_a_pack_has_the_losses_of_an_unbroken_one(tmp_path: Path) -> None:
    """The weights are exact, so the next loss is; rounded moments change the later ones by less than 0.1%."""
    settings = ("schedule.total_steps=5", "schedule.checkpoint_minutes=0", "model.overrides.dropout=0.1")
    more = (*settings, "optim.muon_lr=2e-3")
    whole, again = tmp_path / "whole", tmp_path / "again"

    def pack_third(model: Path, step: int) -> None:
        if step == 3:
            packing.pack_own_run(whole, tmp_path / "pack")

    run(None, tiny(whole, *more), on_checkpoint=pack_third)
    assert unpack_run(tmp_path / "pack", again).step == 3
    run(None, tiny(again, *more), resume=True)
    expected, resumed = losses(whole), losses(again)
    assert {step: resumed[step] for step in (1, 2, 3, 4)} == {step: expected[step] for step in (1, 2, 3, 4)}
    assert resumed[5] == pytest.approx(expected[5], rel=1e-3)
    folders = [latest_checkpoint(folder / "checkpoints") for folder in (whole, again)]
    ends = [read_checkpoint(folder).model for folder in folders if folder is not None]
    same = all(torch.equal(ends[1][name], tensor) for name, tensor in ends[0].items())
    assert not same, "the moments are not rounded: is the pack what the run resumed from?"


def test_weights_models_and_counters_are_exact_and_the_rest_is_rounded(
    run_of_one_step: Path, packed: Path, tmp_path: Path
) -> None:
    made = tmp_path / "new" / "run"
    unpack_run(packed, made)
    folders = [latest_checkpoint(folder / "checkpoints") for folder in (run_of_one_step, made)]
    before, after = (read_checkpoint(folder) for folder in folders if folder is not None)
    assert after.meta == before.meta
    assert after.rng == before.rng
    assert all(torch.equal(after.model[name], tensor) for name, tensor in before.model.items())
    for group, places in (("ema", 2.0**-11), ("optimizer", 2.0**-8)):
        one, other = getattr(before, group), getattr(after, group)
        assert one.keys() == other.keys()
        for name, tensor in one.items():
            assert other[name].dtype == torch.float32
            torch.testing.assert_close(other[name], tensor, rtol=places, atol=1e-7)
    steps = [name for name in before.optimizer if name.endswith("|step")]
    assert steps
    assert all(after.optimizer[name].equal(before.optimizer[name]) for name in steps)
    models = [load_file(folder / "last" / "model.safetensors") for folder in (run_of_one_step, made)]
    assert all(torch.equal(models[1][name], tensor) for name, tensor in models[0].items())
    assert export_is_current(made)
    for name in ("config.yaml", "log.jsonl", "last/tokenizer.json", "last/config.json"):
        assert (made / name).read_bytes() == (run_of_one_step / name).read_bytes()


def test_files_keep_to_their_limit_and_their_number(
    run_of_one_step: Path, packed: Path, tmp_path: Path
) -> None:
    sizes = [path.stat().st_size for path in packed.glob("*.safetensors")]
    assert max(sizes) <= SMALL * 1e6
    assert sum(sizes) > 0.8 * SMALL * 1e6 * (len(sizes) - 1), "the files are not filled"
    with pytest.raises(InputError, match=r"needs \d+ files of 0.3 MB, expected at most 8: raise --max"):
        pack_run(run_of_one_step, tmp_path / "pack", 0.3)
    with pytest.raises(InputError, match=r"MB and does not fit into a file of 0.01 MB: raise --max"):
        pack_run(run_of_one_step, tmp_path / "pack", 0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("run-2-of-", "missing", r"run-2-of-\d.safetensors of \d files missing; copy"),
        ("run-1-of-", "cut", r"run-1-of-\d.safetensors has \d+ bytes, expected \d+; copy"),
        ("run-1-of-", "flipped", r"run-1-of-\d.safetensors has changed since it was written; copy"),
        ("pack.json", "cut", r"pack.json is no JSON; copy"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_unpacked(
    pack: Path, tmp_path: Path, name: str, damage: str, message: str
) -> None:
    path = next(pack.glob(f"{name}*"))
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 0x80
        path.write_bytes(data)
    with pytest.raises(CheckpointError, match=message) as caught:
        unpack_run(pack, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


@pytest.mark.parametrize("path", ["../evil", "/evil", "last/../../evil", "last/sub/evil", ".hidden"])
def test_a_pack_cannot_write_outside_the_run(pack: Path, tmp_path: Path, path: str) -> None:
    manifest = json.loads((pack / "pack.json").read_text())
    manifest["same"][f"{path}|."] = "config.yaml|."
    (pack / "pack.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="a run has no file"):
        unpack_run(pack, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"same": {"a": ["b"]}},
        {"metadata": {"last/model.safetensors": {"format": 1}}},
        {"metadata": {"a": "b"}},
    ],
)
def test_a_list_of_other_values_is_damaged(pack: Path, tmp_path: Path, change: dict[str, object]) -> None:
    manifest = json.loads((pack / "pack.json").read_text())
    (pack / "pack.json").write_text(json.dumps(manifest | change))
    with pytest.raises(CheckpointError, match=r"pack\.json does not list its files; copy"):
        unpack_run(pack, tmp_path / "run")


def test_a_link_to_a_folder_stays_a_link(run_of_one_step: Path, tmp_path: Path) -> None:
    for name in ("pack", "run"):
        (tmp_path / "disk" / name).mkdir(parents=True)
        (tmp_path / name).symlink_to(tmp_path / "disk" / name)
    for _ in range(2):
        pack_run(run_of_one_step, tmp_path / "pack")
    unpack_run(tmp_path / "pack", tmp_path / "run")
    assert (tmp_path / "pack").is_symlink()
    assert (tmp_path / "run").is_symlink()
    assert export_is_current(tmp_path / "disk" / "run")


def test_a_full_disk_leaves_the_earlier_pack(
    run_of_one_step: Path, pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SafetensorError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(packing, "save_file", full)
        patch.setattr(pack_files, "save_file", full)
        with pytest.raises(InputError, match="cannot be written"):
            pack_run(run_of_one_step, pack, SMALL)
        with pytest.raises(InputError, match="cannot be written"):
            unpack_run(pack, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert unpack_run(pack, tmp_path / "run").step == 1


def test_what_is_there_is_not_overwritten(run_of_one_step: Path, pack: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").touch()
    with pytest.raises(InputError, match=r"holds other files than a packed run \(photo.jpg\), which"):
        pack_run(run_of_one_step, tmp_path / "mine")
    with pytest.raises(InputError, match=r"is in .*, which the next pack would replace: choose another"):
        unpack_run(pack, pack / "run")
    (pack / "notes.txt").touch()
    with pytest.raises(
        InputError, match=r"other files than a packed run \(notes.txt\), which a pack would replace"
    ):
        pack_run(run_of_one_step, pack)
    (pack / "notes.txt").unlink()
    with pytest.raises(InputError, match="exists and is not empty: choose another"):
        unpack_run(pack, tmp_path / "mine")
    with pytest.raises(InputError, match="expected a folder that `instructsam pack-run` wrote"):
        unpack_run(tmp_path / "mine", tmp_path / "run")
    with pytest.raises(ConfigError, match="holds no checkpoint: name the folder of a run"):
        pack_run(tmp_path / "mine", tmp_path / "new")
    manifest = json.loads((pack / "pack.json").read_text())
    (pack / "pack.json").write_text(json.dumps({**manifest, "step": 7}))
    for call in (pack_run, lambda run_folder, out: packing.open_pack(out, run_folder)):
        with pytest.raises(InputError, match="holds step 7 of the run, later than step 1 in"):
            call(run_of_one_step, pack)


def test_one_command_repeated_on_new_machines_trains_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("name: sliced\n")
    pack = tmp_path / "pack"
    words = ["train", str(config), *TINY, "schedule.total_steps=2", "--pack", str(pack)]
    for machine, box in (("one", ["--max-minutes", "1e-9"]), ("two", []), ("three", [])):
        (tmp_path / machine).mkdir()
        monkeypatch.chdir(tmp_path / machine)
        assert command([*words, *box]) == 0
        step = 1 if machine == "one" else 2
        assert f"packed step {step} into {pack}: 1 files, " in capsys.readouterr().out
    assert list(losses(tmp_path / "three" / "runs" / "sliced")) == [1, 2]
    assert facts_of(pack) == Pack(2, 1, next(pack.glob("*.safetensors")).stat().st_size)
    assert command([*words, "--dry-run"]) == 0
    assert command([*words[:2], str(config), *words[2:]]) == 2
    assert "--pack takes one YAML file and one process" in capsys.readouterr().err
    with pytest.raises(InstructSAMError):
        unpack_run(pack, tmp_path / "three")


def test_the_commands_report_and_refuse_in_one_line(
    run_of_one_step: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack, made = str(tmp_path / "pack"), str(tmp_path / "run")
    assert command(["pack-run", str(run_of_one_step), pack, "--max-megabytes", "0.9"]) == 0
    assert command(["unpack-run", pack, made]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"packed step 1 into {pack}: ")
    assert second.startswith(f"unpacked step 1 into {made}: continue with")
    for words in (["unpack-run", pack, made], ["pack-run", made, pack, "--max-megabytes", "0"]):
        assert command(words) == 2
        assert capsys.readouterr().err.count("\n") == 1
