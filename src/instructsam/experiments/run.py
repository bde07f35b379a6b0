"""The runs of an ablation: training, scoring, and the table of the finished ones.

Finished runs are skipped and unfinished ones are resumed, so the same command is repeated until all are finished.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructsam.errors import ConfigError, MissingExtraError
from instructsam.experiments import table as ablation_table
from instructsam.experiments.plan import EvaluationSettings, Job, Plan
from instructsam.experiments.plot import draw_table
from instructsam.experiments.table import FinishedRun
from instructsam.structures.checks import parse_json
from instructsam.structures.files import write_json, write_text

LAST_SHARE = 0.1  # of the steps, over which final losses are averaged


class _TimeIsUpError(Exception):
    """The time box ended inside an evaluation, whose answers so far are kept."""


class Clock:
    """The time box of one command; `minutes` 0 for none."""

    def __init__(self, minutes: float) -> None:
        self.deadline = time.monotonic() + 60 * minutes if minutes else math.inf

    def left(self) -> float:
        """Minutes."""
        return (self.deadline - time.monotonic()) / 60

    def check(self, _: int = 0) -> None:
        """Leave an evaluation when the time is up."""
        if self.left() <= 0:
            raise _TimeIsUpError


@dataclass(frozen=True)
class Stopped:
    """Where the time box or a signal ended the work; the exit code is 0 for a time box."""

    job: str
    exit_code: int = 0


def check_models(jobs: Sequence[Job]) -> None:
    """A variant that no model can be built of is refused before hours are spent on those before it.

    Raises:
        ConfigError: as in `check_start`.
    """
    from instructsam.training.start import check_start

    made = [job.folder / "model" for job in jobs if not job.variant]
    for job in jobs:
        check_start(job.config(), made)


def work(
    jobs: Sequence[Job], evaluation: EvaluationSettings, clock: Clock, note: Callable[[str], None]
) -> Stopped | None:
    """Train and score; where the time or a signal stopped it, None at the end. `note` gets progress, a line each."""
    from instructsam.training.stopping import TrainingInterrupted

    for number, job in enumerate(jobs, start=1):
        if job.variant and _result(job, evaluation) is not None:
            continue
        if clock.left() <= 0:
            return Stopped(job.name)
        note(f"[{number}/{len(jobs)}] {job.name}")
        try:
            if not _train(job, clock):
                return Stopped(job.name)
            if job.variant:
                _score(job, evaluation, clock)
        except TrainingInterrupted as stop:
            note(f"instructsam: {stop}")
            return Stopped(job.name, stop.exit_code)
        except _TimeIsUpError:
            return Stopped(job.name)
    return None


def _train(job: Job, clock: Clock) -> bool:
    """Start or resume; whether all steps are done, and exported."""
    from instructsam.experiments.sources import open_source
    from instructsam.training.export import export_is_current
    from instructsam.training.trainer import run

    config = job.config()
    done = _steps_done(job)
    if done < config.schedule.total_steps or not export_is_current(job.folder):
        box = "0" if math.isinf(clock.deadline) else f"{max(clock.left(), 1e-3):.4f}"
        run(job.config_path, open_source, [*job.overrides, f"schedule.max_minutes={box}"], resume=done > 0)
    return _steps_done(job) >= config.schedule.total_steps


def _steps_done(job: Job) -> int:
    """Steps of the newest checkpoint, 0 without one."""
    return int(_state(job).get("step", 0))


def _state(job: Job) -> dict[str, Any]:
    """`state.json` of the newest checkpoint, empty without one."""
    from instructsam.training.checkpointing import latest_checkpoint, read_state

    latest = latest_checkpoint(job.folder / "checkpoints")
    return {} if latest is None else read_state(latest)


def check_folders(jobs: Sequence[Job]) -> None:
    """Check that earlier runs, finished or not, have the configuration of the plan; the table must not mix plans.

    Raises:
        ConfigError: a folder holds a run of another configuration.
    """
    from instructsam.training.run_folder import MAY_CHANGE, NOTED, changed_settings

    for job in jobs:
        if not _steps_done(job):
            continue
        for key, old, new in changed_settings(job.config()):
            if key in NOTED or key not in MAY_CHANGE:
                raise ConfigError(
                    f"{job.folder} holds a run with other settings ({key} was {old}, the plan says {new}): delete it, "
                    "or give another --out"
                )


def _score(job: Job, settings: EvaluationSettings, clock: Clock) -> None:
    """Choose the threshold, answer the val instructions, and write `result.json` and `report.md`."""
    from instructsam.evaluation.runner import evaluate
    from instructsam.evaluation.studies.calibrate import calibrate
    from instructsam.inference import loading

    segmenter = loading.load(job.folder / "model", device=job.config().device)
    direct, mark = settings.mode == "direct", settings.fingerprint
    threshold = segmenter.score_threshold
    if settings.calibration:
        train = settings.benchmark("train")
        threshold = calibrate(segmenter, direct, settings.calibration, clock.check, train).best
    report = evaluate(
        segmenter,
        settings.benchmark("val"),
        limit=settings.instructions,
        phrases_given=direct,
        predictions_path=job.folder / f"predictions-{mark}.jsonl",
        score_threshold=threshold,
        progress=clock.check,
        provenance={"model": f"{job.name}, weights {segmenter.fingerprint}"},
    )
    meta = _state(job)["meta"]
    overall = report.summary["overall"]
    numbers = {key: overall[key] for key, _, _ in ablation_table.COLUMNS if key in overall}
    numbers |= {"threshold": threshold, "minutes": meta["seconds"] / 60}
    numbers |= {f"loss_{name}": value for name, value in _final_losses(job).items()}
    numbers["instructions"] = meta["instructions"]
    write_text(job.folder / "report.md", report.to_markdown() + "\n")
    write_json(job.result_path, {"evaluation": mark, "steps": _steps_done(job), "numbers": numbers})


def _final_losses(job: Job) -> dict[str, float]:
    """Mean of each loss part over the last steps."""
    return _mean_losses(_log(job), 1 - LAST_SHARE, 1.0)


def _log(job: Job) -> list[dict[str, Any]]:
    """Every line that the run logged."""
    path = job.folder / "log.jsonl"
    lines = [parse_json(text, str(path)) for text in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "parts" in line]  # the others are validations


def _mean_losses(lines: Sequence[dict[str, Any]], start: float, end: float) -> dict[str, float]:
    """Mean of each loss part between two shares of the run, over lines of the log weighted by their steps.

    Empty where the log has no line that ends there.
    """
    ends = [line["step"] for line in lines]
    sums: dict[str, list[float]] = {}
    covered = 0
    for line, before in zip(lines, [0, *ends], strict=False):
        if start * ends[-1] < line["step"] <= end * ends[-1]:
            covered += line["step"] - before
            for name, value in line["parts"].items():
                sums.setdefault(name, []).append(value * (line["step"] - before))
    return {name: math.fsum(values) / covered for name, values in sums.items()}


def _curve(job: Job) -> list[dict[str, float]]:
    """Mean of each loss part over each quarter of the run."""
    lines = _log(job)
    return [_mean_losses(lines, (quarter - 1) / 4, quarter / 4) for quarter in (1, 2, 3, 4)]


def _result(job: Job, evaluation: EvaluationSettings) -> FinishedRun | None:
    """The numbers of a finished run, None where they are missing or of other val instructions."""
    if not job.result_path.is_file():
        return None
    document = parse_json(job.result_path.read_bytes(), str(job.result_path))
    if (
        document["evaluation"] != evaluation.fingerprint
        or document["steps"] != job.config().schedule.total_steps
    ):
        return None
    return FinishedRun(job.variant, job.seed, document["numbers"])


def write_table(plan: Plan, jobs: Sequence[Job], folder: Path) -> str:
    """`table.md`, `table.json` and `plot.svg` of whatever is finished; the text of the first."""
    found = [_result(job, plan.evaluation) for job in jobs if job.variant]
    runs = [run for run in found if run is not None]
    rows = ablation_table.gather([(variant.name, variant.about) for variant in plan.variants], runs)
    facts = {
        "equal compute": f"{plan.steps} steps each, on the same batches",
        "scored on": f"{plan.evaluation.instructions} val instructions, mode {plan.evaluation.mode}",
        "finished": f"{len(runs)} of {len(found)} runs ({len(plan.variants)} variants, {len(plan.seeds)} seeds)",
    }
    finished = {run.variant for run in runs if run.seed == plan.seeds[0]}
    first = [job for job in jobs if job.variant in finished and job.seed == plan.seeds[0]]
    curves = {job.variant: _curve(job) for job in first}
    text = ablation_table.to_markdown(plan.name, rows, facts) + ablation_table.curves_to_markdown(curves)
    write_text(folder / "table.md", text)
    write_json(folder / "table.json", ablation_table.to_dict(plan.name, rows, runs, facts))
    try:
        write_text(folder / "plot.svg", draw_table(plan.name, rows))
    except MissingExtraError as missing:
        text += f"\nplot.svg is not written: {missing}\n"
    return text
