"""The whole command on runs of two steps: what is finished stays, what is half done continues, and the table."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instructsam.cli.main import run
from instructsam.config import load_config
from instructsam.errors import ConfigError
from instructsam.experiments.plan import Plan, jobs_of
from instructsam.experiments.sources import world_settings
from instructsam.training.run_state import RunState
from instructsam.training.trainer import Trainer
from tests.cached import cached_inputs

ROOT = Path(__file__).resolve().parents[2]
BASE = """
device: cpu
threads: 1
model: {preset: tiny}
data: {images_per_batch: 2, instructions_per_image: 2, world: {short_sides: [64], nouns: {colors: 0}, max_objects: 3}}
schedule: {log_seconds: 0, export_dtype: float32, keep_checkpoints: 1, checkpoint_minutes: 0}
"""
VISION = """
stage: vision
device: cpu
threads: 1
model: {preset: tiny, vocab_size: 300, tokenizer_texts: 50}
data: {images_per_batch: 1, instructions_per_image: 1, world: {short_sides: [64], max_objects: 3}}
schedule: {total_steps: 1, log_seconds: 0, export_dtype: float32}
"""
PLAN = """
name: small
base: base.yaml
steps: 2
start: vision
shared: [{name: vision, config: vision.yaml}]
evaluation: {instructions: 3, calibration: 2, short_side: 64, max_objects: 3, nouns: colors}
variants:
  - {name: method, about: the method}
  - name: one_mask
    changes: [model.overrides.num_queries=1, model.overrides.instance_form=token_as_mask]
"""


@pytest.fixture(scope="module", autouse=True)
def inputs_are_cached() -> Iterator[None]:
    with cached_inputs():
        yield


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    for name, text in (("base", BASE), ("vision", VISION), ("plan", PLAN)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path / "plan.yaml"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every training step that is done: (run, step)."""
    done: list[tuple[str, int]] = []
    plain = Trainer.train_step

    def train_step(self: Trainer, batch: Any) -> Any:
        folder = self.config.folder
        done.append((folder.parent.name if folder.name.startswith("seed") else folder.name, self.step))
        return plain(self, batch)

    monkeypatch.setattr(Trainer, "train_step", train_step)
    return done


def ablate(plan: Path, *more: str) -> int:
    return run(["ablate", str(plan), "--out", str(plan.parent / "out"), *more])


def table(plan: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((plan.parent / "out" / "table.json").read_text())
    return document


def test_two_variants_stop_go_on_and_end_in_a_table(
    plan: Path,
    steps: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert ablate(plan, "--table-only") == 0
    assert steps == []
    assert table(plan)["facts"]["finished"].startswith("0 of 2 runs")

    stopping = Trainer.train_step  # the method is stopped after its first step, as by a signal

    def stop(self: Trainer, batch: Any) -> Any:
        if self.config.stage == "all":
            self.stop_reason = "the test"
        return stopping(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stop)
        assert ablate(plan) == 0
    assert steps == [("vision", 0), ("method", 0)]
    assert "stopped during method, seed 0" in capsys.readouterr().err

    assert ablate(plan) == 0
    assert steps[2:] == [("method", 1), ("one_mask", 0), ("one_mask", 1)]
    assert (
        "keep their random initialization: the shapes differ: instance_queries.weight (4, 32) -> (1, 32)"
        in caplog.text
    )
    shown = capsys.readouterr().out
    assert shown == (plan.parent / "out" / "table.md").read_text() + "\n"
    assert "2 of 2 runs" in shown
    method, one_mask = table(plan)["rows"]
    assert (method["seeds"], one_mask["seeds"]) == ([0], [0])
    for row in (method, one_mask):
        assert row["mean"]["instructions"] == 2 * 2 * 2
        assert row["mean"]["loss_mask_dice"] > 0
        assert 0 <= row["mean"]["giou"] <= 1
    assert re.search(r"\| one_mask +\| +-, \d\.\d\d, -, \d\.\d\d \|", shown)  # two steps have no quarters
    assert (plan.parent / "out" / "plot.svg").read_text().startswith("<svg")

    before = len(steps)
    assert ablate(plan) == 0
    assert len(steps) == before, "what is finished is not trained again"


def test_only_one_variant_and_a_time_box(plan: Path, steps: list[tuple[str, int]]) -> None:
    assert ablate(plan, "--only", "one_mask", "--max-minutes", "0.0001") == 0
    assert {name for name, _ in steps} == {"vision"}
    assert ablate(plan, "--only", "one_mask") == 0
    assert {name for name, _ in steps} == {"vision", "one_mask"}
    assert [row["seeds"] for row in table(plan)["rows"]] == [[], [0]]


def test_a_run_of_other_settings_is_not_taken_for_this_one(
    plan: Path, steps: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(plan, "--only", "method") == 0
    plan.write_text(PLAN.replace("steps: 2", "steps: 3"))
    assert ablate(plan, "--only", "method") == 2
    assert "other settings (schedule.total_steps was 2, the plan says 3)" in capsys.readouterr().err
    plan.write_text(PLAN.replace("about: the method}", "changes: [optim.lr=1e-3]}"))
    assert ablate(plan, "--only", "method") == 2, "a finished run, too"
    assert "other settings (optim.lr was 0.0005, the plan says 0.001)" in capsys.readouterr().err
    assert ablate(plan, "--table-only") == 2, "its numbers are not shown as those of the plan"


def test_a_kill_between_checkpoint_and_export_of_the_shared_stage(
    plan: Path,
    steps: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Killed(BaseException):
        """No handler of errors catches it, like a kill."""

    def export(_: RunState) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(RunState, "export", export)
        with pytest.raises(Killed):
            ablate(plan, "--only", "method")
    assert ablate(plan, "--only", "method") == 0
    assert steps == [("vision", 0), ("method", 0), ("method", 1)]
    assert "exporting step 1 again" in capsys.readouterr().err


def test_a_signal_ends_with_its_exit_code(
    plan: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Trainer.train_step

    def train_step(self: Trainer, batch: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, batch)

    monkeypatch.setattr(Trainer, "train_step", train_step)
    assert ablate(plan) == 143
    assert "stopped during vision; the same command continues" in capsys.readouterr().err


def test_destinations_are_checked_before_any_work(
    plan: Path, steps: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    (plan.parent / "file").write_text("x")
    assert run(["ablate", str(plan), "--out", str(plan.parent / "file")]) == 2
    (plan.parent / "out" / "one_mask").mkdir(parents=True)
    (plan.parent / "out" / "one_mask" / "seed-0").write_text("x")
    assert ablate(plan) == 2
    error = capsys.readouterr().err
    assert error.count("cannot write there") == error.count("\n") == 2
    assert steps == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("start: vision", "start: ears", "start must be one of vision, got 'ears'"),
        ("name: one_mask", "name: one/mask", "letters"),
        ("name: one_mask", "name: method", "a name of its own"),
        ("instance_form=token_as_mask", "instance_form=tokens", "token_per_instance"),
        ("instance_form=token_as_mask", "projector=false", "projector"),
        ("model.overrides.num_queries=1", "optim.learning=1", "optim.l"),
        ("steps: 2", "steps: 0", "steps must lie in [1, 1000000000], got 0"),
        ("steps: 2", "steps: 2\nseeds: []", "seeds must hold at least one"),
        ("steps: 2", "steps: 2\nseeds: [1, 1]", "seeds must differ, got 1, 1"),
        ("steps: 2", "steps: 2\nseeds: [-1]", "seeds[0] must lie in"),
        ("instructions: 3", "instructions: 0", "evaluation.instructions must lie in"),
        ("short_side: 64", "short_side: 8", "evaluation.short_side must lie in [32, 2048], got 8"),
        ("max_objects: 3", "min_objects: 9, max_objects: 3", "evaluation.min_objects must be at most"),
        ("nouns: colors}", "nouns: verbs}", "evaluation.nouns must be some of"),
        ("nouns: colors}", "nouns: colors, layouts: [heap]}", "evaluation.layouts must be some of"),
        (
            "nouns: colors}",
            "nouns: colors, split: val_unseen_style}",
            "evaluation.split val_unseen_style has no bare noun",
        ),
        ("nouns: colors}", "nouns: colors, families: [colour]}", "evaluation.families must be some of"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(
    plan: Path,
    steps: list[tuple[str, int]],
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    words: str,
) -> None:
    plan.write_text(PLAN.replace(old, new))
    assert ablate(plan) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert steps == []


def test_a_variant_may_start_elsewhere(plan: Path) -> None:
    text = PLAN + "  - {name: alone, start: ''}\n"
    plan.write_text(text)
    jobs = {job.variant: job for job in jobs_of(load_config(Plan, plan), plan, Path("out"))}
    assert jobs["method"].config().model.init_from == str(Path("out/shared/vision/model"))
    assert jobs["alone"].config().model.init_from == ""
    plan.write_text(text.replace("start: ''", "start: ears"))
    with pytest.raises(ConfigError, match="start must be one of vision"):
        load_config(Plan, plan)


def test_the_training_variants_are_fit_to_run() -> None:
    from instructsam.experiments.run import check_models

    path = ROOT / "configs" / "world" / "ablations" / "training.yaml"
    check_models(jobs_of(load_config(Plan, path), path, Path("out")))


@pytest.mark.parametrize("name", ["claims", "piles"])
def test_the_plans_of_the_claims_are_fit_to_run(name: str) -> None:
    from instructsam.experiments.run import check_models

    path = ROOT / "configs" / "world" / "ablations" / f"{name}.yaml"
    claims = load_config(Plan, path)
    jobs = jobs_of(claims, path, Path("out"))
    check_models(jobs)
    assert len(jobs) == 1 + len(claims.variants) * len(claims.seeds)
    configs = [job.config() for job in jobs[1:]]
    assert len({(c.schedule.total_steps, str(c.data), str(c.optim), str(c.loss)) for c in configs}) == 1, (
        "equal compute: variants differ in the model alone"
    )
    sizes = jobs[0].config().model.overrides
    assert configs[0].model.overrides == sizes, "the shared stage has the sizes of the base"
    world, asked = world_settings(configs[0].data), claims.evaluation
    assert (world.min_objects, world.max_objects) == (asked.min_objects, asked.max_objects)
    assert world.layouts == asked.layouts
    assert world.short_sides == (asked.short_side,)
    assert list(world.nouns) == [asked.nouns]
