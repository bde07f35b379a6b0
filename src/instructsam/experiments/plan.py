"""The configuration of an ablation, and the runs that follow from it. No torch, so that errors are reported early."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

from pydantic import Field, model_validator

from instructsam.config import Config, load_config, to_dict
from instructsam.errors import ConfigError
from instructsam.experiments.sources import check_source
from instructsam.structures.checks import check_choices
from instructsam.training.settings import RunConfig
from instructsam.world.instructions.families import FAMILY_SHARES
from instructsam.world.instructions.nouns import Nouns
from instructsam.world.scenes.render import SHORT_SIDES
from instructsam.world.scenes.scene import LAYOUTS, MOST_OBJECTS, PILES
from instructsam.world.splits.build import CALIBRATION_SEED, SEED
from instructsam.world.splits.stream import WorldSettings, world_sample

if TYPE_CHECKING:
    from instructsam.evaluation.benchmarks.benchmark import Benchmark, Sample


class SharedStage(Config):
    """A run that is trained once and that variants start from.

    Attributes:
        name: what `start` calls it; its folder.
        config: a `RunConfig` as YAML, beside the plan.
        changes: `key=value` pairs.
        start: an earlier shared stage whose model it continues with, as `model.path`.
    """

    name: str
    config: str
    changes: tuple[str, ...] = ()
    start: str = ""


class Variant(Config):
    """One row of the table.

    Attributes:
        name: its first column and its folder.
        about: the claim that it tests, or a description of its change.
        changes: `key=value` pairs on top of the base.
        start: a shared stage other than the plan's, empty for none; null for the plan's.
    """

    name: str
    about: str = ""
    changes: tuple[str, ...] = ()
    start: str | None = None


class EvaluationSettings(Config):
    """The val scenes that every variant answers, drawn like those of training but of another split.

    Attributes:
        split: "val", or "val_unseen_style" for free instructions in a style that no training has.
        instructions: how many.
        calibration: instructions on scenes like those of training on which each run's score threshold is chosen
            (highest set gIoU); 0 keeps the threshold of the model's configuration.
        mode: how the model answers them.
        short_side: px; instructions_per_scene, min_objects, max_objects, families, nouns: as in `WorldSettings`.
        layouts: as in `WorldSourceSettings`.
    """

    split: Literal["val", "val_unseen_style"] = "val"
    instructions: int = Field(default=300, ge=1, le=1_000_000)
    calibration: int = Field(default=100, ge=0, le=1_000_000)
    mode: Literal["direct", "generate"] = "direct"
    short_side: int = Field(default=160, ge=SHORT_SIDES[0], le=SHORT_SIDES[1])
    instructions_per_scene: int = Field(default=4, ge=1, le=1000)
    min_objects: int = Field(default=1, ge=1, le=MOST_OBJECTS)
    max_objects: int = Field(default=8, ge=1, le=MOST_OBJECTS)
    families: tuple[str, ...] = ()
    nouns: str = ""
    layouts: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> EvaluationSettings:
        if self.min_objects > self.max_objects:
            raise ConfigError(
                f"min_objects must be at most evaluation.max_objects ({self.max_objects}), got {self.min_objects}"
            )
        check_choices("families", self.families, tuple(FAMILY_SHARES))
        check_choices("nouns", (self.nouns,), get_args(Nouns))
        if self.nouns and self.split != "val":
            raise ConfigError(
                f"split {self.split} has no bare noun phrases, got nouns {self.nouns!r}: remove one"
            )
        check_choices("layouts", self.layouts, (*LAYOUTS, PILES))
        return self

    def benchmark(self, split: Literal["val", "train"]) -> Benchmark:
        """The scenes of a split: "val" is scored, "train" (of a seed that no run draws) is for calibration."""
        from instructsam.evaluation.benchmarks.benchmark import Benchmark

        def source(limit: int | None) -> Iterator[Sample]:
            return islice(self._samples(split), limit)

        return Benchmark(f"small world/{split} {self.fingerprint}", source)

    @property
    def fingerprint(self) -> str:
        """Eight characters that differ between settings."""
        settings = to_dict(self)
        for name in ("layouts", "split"):  # runs that were scored before there was a choice stay valid
            if getattr(self, name) == type(self).model_fields[name].default:
                del settings[name]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:8]

    def _samples(self, split: Literal["val", "train"]) -> Iterator[Sample]:
        from PIL import Image

        from instructsam.world.splits.build import record_of

        settings = WorldSettings(
            short_sides=(self.short_side,),
            instructions_per_scene=self.instructions_per_scene,
            min_objects=self.min_objects,
            max_objects=self.max_objects,
            split=self.split if split == "val" else split,
            families=tuple(self.families),
            nouns=cast("Nouns", self.nouns),
            layouts=tuple(self.layouts),
        )
        index = 0
        while True:
            sample = world_sample(SEED if split == "val" else CALIBRATION_SEED, index, settings)
            image = Image.fromarray(sample.rendered.image)
            for number, instruction in enumerate(sample.instructions):
                yield image, record_of(sample.rendered, instruction, f"{split}-{index:05d}", number)
            index += 1


class Plan(Config):
    """An ablation.

    Attributes:
        name: its title, and its folder unless `--out` says otherwise.
        base: the `RunConfig` that every variant starts from, beside the plan.
        changes: `key=value` pairs on top of the base, for all variants alike.
        steps: optimiser steps of every variant, on the same batches: equal compute.
        seeds: every variant is trained once with each; all variants with the first one before the second one begins.
        start: the shared stage whose tensors initialize every variant (`model.init_from`); empty for none.
        shared: stages that are trained once, before all variants.
    """

    name: str
    base: str
    steps: int = Field(ge=1, le=1_000_000_000)
    variants: tuple[Variant, ...]
    changes: tuple[str, ...] = ()
    seeds: tuple[Annotated[int, Field(ge=0, le=1_000_000_000_000_000_000)], ...] = (0,)
    start: str = ""
    shared: tuple[SharedStage, ...] = ()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _check(self) -> Plan:
        names = [
            self.name,
            *(stage.name for stage in self.shared),
            *(variant.name for variant in self.variants),
        ]
        for name in names:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise ConfigError(f"names are folders: letters, digits, - and _ only, got {name!r}")
        for name, listed in (("variants", self.variants), ("seeds", self.seeds)):
            if not listed:
                raise ConfigError(f"{name} must hold at least one, got an empty list")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must differ, got {', '.join(str(seed) for seed in self.seeds)}")
        for kind, given in (("variant", self.variants), ("shared stage", self.shared)):
            known = [item.name for item in given]
            if len(set(known)) < len(known):
                raise ConfigError(f"every {kind} needs a name of its own, got {', '.join(known)}")
        earlier: list[str] = []
        for stage in self.shared:
            _known(stage.start, earlier, f"start of {stage.name}")
            earlier.append(stage.name)
        for start in (self.start, *(variant.start for variant in self.variants)):
            _known(start or "", earlier, "start")
        return self


@dataclass(frozen=True)
class Job:
    """One training run: `variant` is empty for a shared stage."""

    name: str
    variant: str
    seed: int
    config_path: Path
    overrides: tuple[str, ...]
    folder: Path

    def config(self) -> RunConfig:
        """The configuration of its training run."""
        return load_config(RunConfig, self.config_path, self.overrides)

    @property
    def result_path(self) -> Path:
        """Where its numbers go."""
        return self.folder / "result.json"


def jobs_of(plan: Plan, plan_path: Path, out: Path, only: Sequence[str] = ()) -> list[Job]:
    """Every run in the order of training: shared stages, then all variants with the first seed, the second, ...

    Raises:
        ConfigError: `only` names no variant, or a configuration is wrong.
    """
    for name in only:
        _known(name, [variant.name for variant in plan.variants], "--only")
    models = {stage.name: out / "shared" / stage.name / "model" for stage in plan.shared}
    jobs = []
    for stage in plan.shared:
        start = [f"model.path={models[stage.start]}"] if stage.start else []
        folder = out / "shared" / stage.name
        changes = (*stage.changes, *start, f"output_dir={folder}")
        jobs.append(Job(stage.name, "", 0, plan_path.parent / stage.config, changes, folder))
    for seed in plan.seeds:
        for variant in plan.variants:
            if only and variant.name not in only:
                continue
            folder = out / variant.name / f"seed-{seed}"
            first = plan.start if variant.start is None else variant.start
            start = [f"model.init_from={models[first]}"] if first else []
            fixed = [f"schedule.total_steps={plan.steps}", f"seed={seed}", f"output_dir={folder}"]
            changes = (*plan.changes, *variant.changes, *start, *fixed)
            title = f"{variant.name}, seed {seed}"
            jobs.append(Job(title, variant.name, seed, plan_path.parent / plan.base, changes, folder))
    for job in jobs:
        check_source(job.config().data)
    return jobs


def _known(name: str, names: Sequence[str], key: str) -> None:
    if name and name not in names:
        raise ConfigError(f"{key} must be one of {', '.join(names) or 'nothing'}, got {name!r}")
