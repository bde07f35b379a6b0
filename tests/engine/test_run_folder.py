"""The folder of an engine run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instructsam.config import build_config, load_config
from instructsam.engine.run_folder import MAIN_SEGMENT, open_run_folder, run_folder
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.tasks import Part
from instructsam.errors import ConfigError


def settings(folder: Path, **values: Any) -> EngineConfig:
    vlm = {"model": "m", "url": "http://localhost:8000/v1"}
    return build_config(
        EngineConfig, {"output_dir": str(folder), "source": {"data": "photos"}, "vlm": vlm, **values}
    )


def test_a_changed_setting_is_allowed_and_named(tmp_path: Path) -> None:
    folder, notes = open_run_folder(settings(tmp_path / "run"))
    assert notes == ()
    changed = settings(tmp_path / "run", verify={"votes": 5}, write={"formats": ["coco"]})
    _, notes = open_run_folder(changed)
    assert [note.partition(":")[0] for note in notes] == [
        "verify.votes was 3 and is 5 now",
        "write.formats was [records, coco, parquet] and is [coco] now",
    ]
    assert load_config(EngineConfig, folder.config) == changed
    assert open_run_folder(changed)[1] == ()


def test_no_stored_file_and_no_note_holds_a_password(tmp_path: Path) -> None:
    vlm = {"model": "m", "url": "http://user:hunter22@localhost:8000/v1?key=hunter22"}
    folder, _ = open_run_folder(settings(tmp_path, vlm=vlm, verifier=vlm))
    folder, notes = open_run_folder(settings(tmp_path, vlm={**vlm, "model": "n"}, verifier=vlm))
    assert len(notes) == 1
    assert "hunter22" not in folder.config.read_text() + "".join(notes)
    for changes in (
        {"source": {"data": "s3://me:hunter22@b/c"}},
        {"cluster": {"storage": "s3://me:hunter22@b"}},
    ):
        with pytest.raises(ConfigError, match="without user, password or key") as caught:
            settings(tmp_path, **changes)
        assert "hunter22" not in str(caught.value)


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    folder, _ = open_run_folder(settings(tmp_path))
    folder.config.write_text("votes: 3\n")
    with pytest.raises(ConfigError, match="run of another version"):
        open_run_folder(settings(tmp_path))


def test_files_stand_in_the_folder_or_in_the_storage(tmp_path: Path) -> None:
    part = Part("00", "propose", "row", {})
    for storage in ("", "memory://run-folder-test/run/"):
        folder = run_folder(settings(tmp_path, cluster={"storage": storage}))
        with folder.open_ledger(MAIN_SEGMENT) as ledger:
            ledger.append(part)
        with folder.open_ledger() as ledger:
            assert list(ledger.parts()) == [part]
    assert (folder.shared_rows, folder.ledger) == (
        "memory://run-folder-test/run/rows.jsonl",
        "memory://run-folder-test/run/ledger",
    )
    assert (tmp_path / "ledger" / "main.jsonl").is_file()
