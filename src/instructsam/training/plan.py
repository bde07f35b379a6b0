"""The plan of a run before anything is trained: trained parameters, memory, steps. No weights are allocated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from instructsam.checkpoints.adapters import base_of, is_adapter
from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.hub import SMALL_FILES, fetch
from instructsam.checkpoints.resolve import local_folder
from instructsam.model.configuration import InstructSAMConfig
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.presets import get_preset, preset_config
from instructsam.training.best_model import VALIDATIONS
from instructsam.training.lora import add_adapters, is_adapter_parameter
from instructsam.training.memory import GIGABYTE, memory_estimate
from instructsam.training.part_settings import PARTS, Part
from instructsam.training.parts import parts_by_name
from instructsam.training.run_source import images_per_update
from instructsam.training.settings import ModelSettings, RunConfig
from instructsam.training.start import model_name

HELD_OUT = "held-out images"
_TOKEN_NAMES = ("image", "video", "vision_start", "vision_end")


@dataclass(frozen=True)
class PartPlan:
    """Parameters of one part, in numbers; `adapters` are added to the part and trained."""

    part: Part
    trained: int
    frozen: int
    adapters: int
    learning_rate: float | None


@dataclass(frozen=True)
class Plan:
    """A run before it starts.

    Attributes:
        model: its name, or its size preset.
        parts: parameters of each part.
        memory: estimated bytes of each process by purpose.
        samples: of one pass over the data; None without end.
        samples_per_step: of all processes.
        steps, epochs: length of the run; `epochs` None for data without end.
        validation: a line about it; "" without.
        notes: what a user should know before the run.
    """

    model: str
    parts: tuple[PartPlan, ...]
    memory: Mapping[str, float]
    samples: int | None
    samples_per_step: int
    steps: int
    epochs: float | None
    validation: str
    notes: tuple[str, ...] = field(default=())

    @property
    def trained(self) -> int:
        """Trained parameters, adapters included."""
        return sum(part.trained + part.adapters for part in self.parts)

    @property
    def total(self) -> int:
        """All parameters of the model."""
        return sum(part.trained + part.frozen for part in self.parts)

    def lines(self) -> Iterator[str]:
        """The plan as text."""
        yield f"model: {self.model}, {_count(self.total)} parameters, {_count(self.trained)} trained"
        for part in self.parts:
            yield f"part {part.part}: {_part(part)}"
        total = sum(self.memory.values())
        details = ", ".join(f"{name} {_size(size)}" for name, size in self.memory.items() if size)
        yield f"memory: about {_size(total)} for each process, an estimate ({details})"
        if self.samples is None:
            yield "data: without end"
        else:
            yield f"data: {self.samples:,} samples in one pass; a sample is an image with its instructions"
        passes = "" if self.epochs is None else f", {self.epochs:.3g} epochs"
        yield f"length: {self.steps:,} steps of {self.samples_per_step} samples{passes}"
        yield f"validation: {self.validation or 'none'}"
        yield from (f"note: {note}" for note in self.notes)


def meta_model(settings: ModelSettings) -> InstructSAMModel:
    """The model of a run without its weights; one whose tokenizer grows has as many tokens as it may get.

    Raises:
        CheckpointError: there is no such model, or its configuration is damaged.
        ConfigError: the size preset or one of its overrides is wrong.
    """
    if settings.path:
        found = _small_files(model_name(settings.path))
        config, _ = read_config(_small_files(*base_of(found)) if is_adapter(found) else found)
        text = config.vlm_config.get_text_config()
        text.vocab_size = max(text.vocab_size, settings.extend_tokenizer)
    else:
        preset = get_preset(settings.preset, settings.overrides)
        config = preset_config(preset, settings.vocab_size, dict.fromkeys(_TOKEN_NAMES, 0))
    return without_weights(config)


def _small_files(name: str, revision: str | None = None) -> Path:
    folder = local_folder(name)
    return fetch(name, revision, SMALL_FILES) if folder is None else folder


def without_weights(config: InstructSAMConfig) -> InstructSAMModel:
    """A model on the meta device."""
    with torch.device("meta"):
        model: InstructSAMModel = InstructSAMModel._from_config(config, dtype=torch.float32)
    return model


def plan_run(
    config: RunConfig, model: InstructSAMModel, samples: int | None, validated_on: str = "", *notes: str
) -> Plan:
    """The plan of a run.

    Args:
        config: with its length in steps (`run_source.with_length`).
        model: from `meta_model`; it gets the run's adapters.
        samples: of one pass over the data; None without end.
        validated_on: name of the instructions to validate on.
        notes: what a user should know before the run.
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    if config.lora.rank:
        add_adapters(model, config.lora)
    parts = tuple(_plan_part(config, model, part) for part in PARTS)
    each = images_per_update(config)
    steps = config.schedule.total_steps
    name = config.model.path or f"new, size preset {config.model.preset}"
    plan = Plan(
        model=name,
        parts=parts,
        memory=memory_estimate(config, model),
        samples=samples,
        samples_per_step=each,
        steps=steps,
        epochs=None if samples is None else steps * each / samples,
        validation=_validation(config, validated_on),
        notes=notes,
    )
    if plan.total != total:
        raise LookupError("adapters must not change the number of the model's own parameters")
    return plan


def _plan_part(config: RunConfig, model: InstructSAMModel, part: Part) -> PartPlan:
    own = adapters = 0
    parts = parts_by_name(model)
    for name, parameter in model.named_parameters():
        if parts[name] == part and is_adapter_parameter(name):
            adapters += parameter.numel()
        elif parts[name] == part:
            own += parameter.numel()
    trained = part in config.trained_in_full
    rate = config.parts.of(part)
    learning_rate = config.optim.lr if not isinstance(rate, float) else rate
    return PartPlan(
        part=part,
        trained=own if trained else 0,
        frozen=0 if trained else own,
        adapters=adapters,
        learning_rate=learning_rate if trained or adapters else None,
    )


def _validation(config: RunConfig, name: str) -> str:
    settings = config.validation
    if not settings.wanted:
        return ""
    every = settings.every_steps or math.ceil(config.schedule.total_steps / VALIDATIONS)
    patience = f"; stops after {settings.patience} without a better one" if settings.patience else ""
    where = name or settings.source or HELD_OUT
    return f"on {where}, every {every} steps; best/ has the best {settings.metric}{patience}"


def _part(part: PartPlan) -> str:
    words = []
    if part.trained:
        words.append(f"{_count(part.trained)} trained")
    if part.adapters:
        words.append(f"{_count(part.adapters)} in adapters trained")
    if part.frozen:
        words.append(f"{_count(part.frozen)} frozen")
    rate = "" if part.learning_rate is None else f", learning rate {part.learning_rate:.3g}"
    return (", ".join(words) or "no parameters") + rate


def _size(size: float) -> str:
    if size >= GIGABYTE:
        return f"{size / GIGABYTE:.1f} GB"
    return f"{size / 1e6:.0f} MB"


def _count(number: int) -> str:
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)
