"""`instructsam engine`: from drawn scenes to a data set, with the simulated model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from instructsam.cli.engine import _lines
from instructsam.data.record import read_records
from instructsam.engine.runners.progress import Progress, RunReport

from .conftest import Outcome

Command = Callable[..., Outcome]
CONFIG = """
output_dir: {folder}
source: {{data: world/val, limit: 3}}
vlm: {{model: simulated, url: simulated}}
propose: {{per_image: 4}}
write: {{val_share: 0, test_share: 0}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "engine.yaml"
    path.write_text(CONFIG.format(folder=tmp_path / "run"), "utf-8")
    return path


def test_a_run_is_resumed_and_written(command: Command, config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code, out, _ = command("engine", "run", config, "--limit", "1")
    assert (code, out.splitlines()[-1]) == (0, "run again for the other 2 images")
    code, out, err = command("engine", "run", config, "--limit", "1", "--json")
    assert code == 0
    assert json.loads(out)["progress"]["done"] == 2
    assert "3 images with" in err
    assert "asked again" not in err
    code, out, _ = command("engine", "run", config)
    assert code == 0
    assert "3 of 3 images finished (2 of them before, 0 without candidates)" in out
    assert f"next: instructsam engine export {folder}" in out
    ledger = (folder / "ledger/main.jsonl").read_bytes()

    code, out, _ = command("engine", "status", folder, "--json")
    status = json.loads(out)
    assert (code, status["finished"], status["rows"]) == (0, 3, 3)
    code, out, _ = command("engine", "status", folder)
    assert (code, out.splitlines()[0]) == (0, "rows: 3 of 3 finished")

    code, _, err = command("engine", "export", folder, "verify.votes=9")
    assert (code, "got verify.votes=9" in err) == (2, True), "an export does not vote"
    code, _, err = command("engine", "export", folder, "--out", "memory://set")
    assert (code, "ends with this command" in err) == (2, True)
    code, out, _ = command("engine", "export", folder, "filters.max_words=25", "--json")
    assert code == 0
    records = list(read_records(folder / "export/train/records.jsonl"))
    assert len(records) == json.loads(out)["written"]["splits"]["train"]["records"] > 0
    assert max(len(record.instruction.split()) for record in records) <= 25
    code, out, _ = command("data", "check", folder / "export/train/records.jsonl", "--pixels")
    assert code == 0, out
    assert command("engine", "run", config)[0] == 0
    assert (folder / "ledger/main.jsonl").read_bytes() == ledger


def test_people_decide_what_the_engine_cannot(command: Command, config: Path, tmp_path: Path) -> None:
    folder, page = tmp_path / "run", tmp_path / "review.html"
    # no vote can agree with every proposal: all candidates of a wrong proposal wait for a person
    assert (
        command("engine", "run", config, "verify.rounds=0", "verify.threshold=1.0", "verify.votes=9")[0] == 0
    )
    tasks = tmp_path / "tasks.json"
    code, out, _ = command("engine", "review", folder, "--html", page, "--label-studio", tasks, "--json")
    waiting = json.loads(out)["waiting"]
    assert (code, waiting > 0) == (0, True)
    assert page.is_file()
    data = [task["data"] for task in json.loads(tasks.read_text("utf-8"))]
    assert len(data) == waiting
    decisions = tmp_path / "decisions.jsonl"
    accepted = {"candidate": data[0]["candidate"], "digest": data[0]["digest"], "action": "accept"}
    decisions.write_text(json.dumps(accepted) + "\n", "utf-8")
    code, out, _ = command("engine", "review", folder, "--decisions", decisions)
    assert code == 0
    assert f"{waiting - 1} candidates wait for a decision" in out
    code, out, _ = command("engine", "review", folder)
    assert "decisions applied: 1 (1 accepted unchanged" in out
    code, out, _ = command("engine", "review", folder, "--label-studio", tasks, "--local-files", "photos")
    assert '"/data/local-files/?d=photos/' in tasks.read_text("utf-8")
    assert command("engine", "export", folder)[0] == 0
    records = {record.id: record for record in read_records(folder / "export/train/records.jsonl")}
    assert records[accepted["candidate"]].meta["engine"]["by"] == "person"


def test_questions_can_be_read_before_they_are_sent(command: Command, config: Path, tmp_path: Path) -> None:
    code, out, _ = command("engine", "run", config, "--dry-run")
    assert code == 0
    files = [Path(line) for line in out.splitlines()]
    assert {"propose.txt", "vote.txt"} <= {file.name for file in files}
    assert all(file.is_file() for file in files)
    assert not (tmp_path / "run/ledger").exists()
    code, out, _ = command("engine", "prompts", tmp_path / "prompts")
    assert code == 0
    assert (tmp_path / "prompts/propose.md").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "Missing argument"),
        (["run", "CONFIG", "verify.votes=0"], "verify.votes must"),
        (["run", "CONFIG", "source.data=nowhere"], "source.data must be"),
        (["run", "CONFIG", "vlm.url=ftp://host"], "a server's URL must begin with http"),
        (["run", "CONFIG", "--max-minutes", "inf"], "--max-minutes must be a finite number"),
        (["run", "CONFIG", "--cluster", "--limit", "1"], "expected --cluster without --limit"),
        (["run", "verify.votes=3"], "expected one YAML file"),
        (["status", "FOLDER"], "is not the folder of an engine run"),
        (["export", "FOLDER"], "is not the folder of an engine run"),
        (["review", "FOLDER"], "is not the folder of an engine run"),
        (["review", "FOLDER", "--image-url", "x", "--local-files", "y"], "--image-url or --local-files"),
    ],
)
def test_wrong_input_is_one_line(
    command: Command, config: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    given = [{"CONFIG": str(config), "FOLDER": str(tmp_path)}.get(word, word) for word in words]
    code, out, err = command("engine", *given)
    assert (code, out) == (2, "")
    assert message in err
    assert err.strip().count("\n") == 0


def test_the_audit_prints_precision_and_recall(command: Command) -> None:
    words = (
        "engine",
        "audit",
        "--scenes",
        "3",
        "--votes",
        "1,3",
        "--thresholds",
        "0.5",
        "--error-rates",
        "0.2",
    )
    code, out, _ = command(*words)
    assert code == 0
    assert out.startswith("| error rate ")
    assert out.splitlines()[-1].startswith("made by: instructsam")
    code, out, _ = command(*words, "--json")
    assert code == 0
    assert len(json.loads(out)["rows"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--votes", "three"], "--votes must be numbers separated by commas, got 'three'"),
        (["--votes", "0", "--scenes", "1"], "votes must"),
        (["--prices", "1"], "--prices must be two numbers"),
        (["--model", "m"], "a served model needs --model and --url"),
        (["--model", "m", "--url", "u", "--rounds", "1"], "are of the simulated model"),
        (["--out", "folder"], "--out keeps the answers of a served model"),
    ],
)
def test_a_wrong_audit_is_one_line(command: Command, words: list[str], message: str) -> None:
    code, out, err = command("engine", "audit", *words)
    assert (code, out) == (2, "")
    assert message in err


def test_notes_say_what_a_change_repeats(command: Command, config: Path, tmp_path: Path) -> None:
    assert command("engine", "run", config)[0] == 0
    code, out, err = command("engine", "run", config, "source.licence=CC0-1.0", "vlm.timeout=9")
    assert code == 0
    assert 'source.licence was "" and is CC0-1.0 now' in err
    assert "again" not in err
    assert "(3 of them before" in out, "a licence is no part of any question"
    err = command("engine", "run", config, "verify.votes=1")[2]
    assert "decisions are made again" in err
    prompts = tmp_path / "my prompts"
    assert command("engine", "prompts", prompts)[0] == 0
    change = f"propose.prompts={prompts}"
    assert "asked again" not in command("engine", "run", config, change)[2]
    (prompts / "vote.md").write_text((prompts / "vote.md").read_text("utf-8") + "Be quick.\n", "utf-8")
    err = command("engine", "run", config, change)[2]
    assert "prompt, model or settings changed of vote: its tasks are repeated" in err


def test_a_cap_without_prices_and_a_missing_detector_name_the_settings(
    command: Command, config: Path, tmp_path: Path
) -> None:
    code, _, err = command("engine", "run", config, "vlm.max_cost=5")
    assert code == 2
    assert "vlm.input_price" in err
    code, _, err = command("engine", "run", config, f"source.detector=sam3:{tmp_path / 'none'}")
    assert code == 2
    assert "source.detector: " in err
    assert "set source.detector=" in err


def test_failed_images_are_named() -> None:
    report = RunReport(
        Progress(total=9, failed=7), "", {"ROW: damaged": 7}, (("a\x1b.png", "a\x1b.png: damaged"),)
    )
    assert "failed images (ROW): a\N{REPLACEMENT CHARACTER}.png, ..." in _lines(report, Path("run"))
