"""The audit with a simulated model: the engine itself on drawn scenes, for every choice of votes and threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from instructsam.config import build_config, to_dict
from instructsam.engine.audit.counts import RowCounts, count_row
from instructsam.engine.audit.error_rates import ErrorRates
from instructsam.engine.audit.replay import SimulatedTasks, replay
from instructsam.engine.audit.simulated import PHOTO, SimulatedVLM
from instructsam.engine.audit.table import AuditRow, AuditTable, Setting, audit_row, setting_of
from instructsam.engine.audit.truth import world_rows
from instructsam.engine.candidates import parse_candidate
from instructsam.engine.flow import process_row
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.propose import ProposeSettings
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.verify import VerifySettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.stages.table import build_stages
from instructsam.structures.checks import check_count


@dataclass(frozen=True)
class SimulatedAudit:
    """The settings of a simulated audit; every combination is a row of the table.

    Attributes:
        scenes: of the split `world/SPLIT`.
        votes, thresholds: of `verify`; thresholds that need the same number of votes share a row.
        error_rates: share of wrong votes; the other rates are in proportion (`ErrorRates.at`).
        rounds: revisions of a candidate that failed.
        seeds: of the model; its errors differ, the scenes do not.
        rates: at its own share of wrong votes.
        per_image: proposals of an image.
        prices: money per million input and output tokens.
        picture_size: width and height in px of the pictures whose tokens are counted.
        split: of the world.
    """

    scenes: int = 200
    votes: tuple[int, ...] = (1, 3, 5, 7)
    thresholds: tuple[float, ...] = (0.5, 0.75, 1.0)
    error_rates: tuple[float, ...] = (0.1, 0.2, 0.3)
    rounds: tuple[int, ...] = (2,)
    seeds: tuple[int, ...] = (0,)
    rates: ErrorRates = field(default_factory=ErrorRates)
    per_image: int = 10
    prices: tuple[float, float] = (0.0, 0.0)
    picture_size: tuple[int, int] = PHOTO
    split: str = "val"


def audit_config(per_image: int) -> EngineConfig:
    """The configuration of the engine in an audit: its defaults."""
    return EngineConfig(
        output_dir=Path("audit"),
        source=SourceSettings(data="world/val"),
        vlm=VLMSettings(model="simulated", url="http://localhost/v1"),
        propose=ProposeSettings(per_image=per_image),
    )


def config_choices(
    base: EngineConfig, rounds: Sequence[int], votes: Sequence[int], thresholds: Sequence[float]
) -> list[EngineConfig]:
    """A configuration for each choice of these; choices that need the same number of votes share one.

    Raises:
        ConfigError: a number is out of range.
    """
    found: dict[tuple[int, int, int], EngineConfig] = {}
    for each, count, threshold in product(rounds, votes, thresholds):
        changed = {**to_dict(base.verify), "rounds": each, "votes": count, "threshold": threshold}
        verify = build_config(VerifySettings, changed)
        found.setdefault((each, count, verify.needed), base.model_copy(update={"verify": verify}))
    return list(found.values())


def audit_simulated(
    audit: SimulatedAudit = SimulatedAudit(), progress: Callable[[int, int], None] | None = None
) -> AuditTable:
    """Run the engine on drawn scenes with the simulated model, for every setting.

    Args:
        progress: called with the number of finished settings and of all.

    Raises:
        InputError: a number is out of range.
    """
    check_count(audit.scenes, "scenes")
    rows = list(world_rows(audit.split, audit.scenes))
    base = audit_config(audit.per_image)
    choices = config_choices(base, audit.rounds, audit.votes, audit.thresholds)
    total = len(audit.error_rates) * len(audit.seeds) * len(choices)
    counts: dict[Setting, list[RowCounts]] = {}
    done = 0
    for rate, seed in product(audit.error_rates, audit.seeds):
        for setting, found in _with_model(audit, rate, seed, rows, choices):
            counts.setdefault(setting, []).extend(found)
            done += 1
            if progress is not None:
                progress(done, total)
    table: list[AuditRow] = [audit_row(setting, found, audit.prices) for setting, found in counts.items()]
    return AuditTable(tuple(table), _facts(audit))


def _with_model(
    audit: SimulatedAudit, rate: float, seed: int, rows: Sequence[ImageRow], choices: Sequence[EngineConfig]
) -> Iterator[tuple[Setting, list[RowCounts]]]:
    """The counts of every configuration; all of them share the model's replies."""
    vlm = SimulatedVLM(audit.rates.at(rate), seed, choices[0].propose, audit.picture_size)
    stages = build_stages(
        max(choices, key=lambda config: config.verify.rounds)
    )  # no stage revises in 0 rounds
    tasks = SimulatedTasks(stages, vlm)
    for config in choices:
        yield setting_of(config, rate), [_count(row, config, tasks) for row in rows]


def _count(row: ImageRow, config: EngineConfig, tasks: SimulatedTasks) -> RowCounts:
    tasks.used.clear()
    outcome = replay(process_row(row, config), tasks)
    proposed = next(part for part in tasks.used if part.stage == "propose")
    proposals = [parse_candidate(value) for value in proposed.data["candidates"]]
    return count_row(row, proposals, outcome, tasks.used)


def _facts(audit: SimulatedAudit) -> dict[str, Any]:
    rates = audit.rates
    fixed = {name: getattr(rates, name) for name in ("leak", "broken", "words", "agreement", "correlation")}
    moving = {
        name: getattr(rates, name)
        for name in ("vote", "proposal", "no_target", "exhaustive", "no_target_check")
    }
    return {
        "scenes": f"{audit.scenes} of world/{audit.split}, {audit.per_image} proposals each",
        "seeds": ", ".join(map(str, audit.seeds)),
        "rates in proportion to the error rate": ", ".join(
            f"{name} {rate:g}" for name, rate in moving.items()
        ),
        "other rates": ", ".join(f"{name} {rate:g}" for name, rate in fixed.items()),
        "pictures": f"tokens of Qwen3-VL for {audit.picture_size[0]} x {audit.picture_size[1]} px",
        "prices per million tokens": f"input {audit.prices[0]:g}, output {audit.prices[1]:g}",
    }
